//! Orders exist as they were returned, and no read returns an earlier state of an order.
//!
//! An exchange is compared with the exchanges that ended before it began. REST after the run is the last observation.

mod observations;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::Value;
use time::OffsetDateTime;

use self::observations::{describe_regression, is_payment_over};
use crate::{
    invariants::exchanges::{format_time, id, path, requested_order, returned_orders, timestamp},
    journal::Exchange,
};

/// An order in a response.
struct Observation<'a> {
    exchange: &'a Exchange,
    order: &'a Value,
}

/// The observations of each order by its id, in the sequence of the responses.
type Observations<'a> = BTreeMap<&'a str, Vec<Observation<'a>>>;

/// Finds orders that are missing, belong to another user, or have returned to an earlier state.
pub(super) fn find_violations(exchanges: &[Exchange], rest: &HashMap<String, Value>) -> Vec<String> {
    let mut observations = Observations::new();
    for exchange in exchanges {
        for order in returned_orders(exchange) {
            observations.entry(id(order)).or_default().push(Observation { exchange, order });
        }
    }
    let histories = observations.iter();
    let mut violations: Vec<_> =
        histories.filter_map(|(order, history)| check_history(order, history, rest.get(*order))).collect();
    violations.extend(exchanges.iter().filter_map(|exchange| not_found(exchange, &observations)));
    violations.extend(exchanges.iter().filter_map(|exchange| wrong_payment(exchange, &observations)));
    violations.extend(incomplete_lists(exchanges, &observations));
    violations
}

/// Describes the first violation in the observations of an order and in REST.
fn check_history(order: &str, history: &[Observation<'_>], rest: Option<&Value>) -> Option<String> {
    let first = history.first()?;
    for later in history {
        let user = &later.exchange.user;
        if later.order["userId"] != user.as_str() {
            let (at, owner) = (format_time(later.exchange.ended), &later.order["userId"]);
            return Some(format!("order {order} of user {owner} was returned to user {user} at {at}"));
        }
        for earlier in before(later.exchange, history) {
            if let Some(regression) = describe_regression(earlier.order, later.order) {
                let was = format_time(earlier.exchange.ended);
                let is = format_time(later.exchange.started);
                return Some(format!("order {order}, read at {was} and at {is}: {regression}"));
            }
        }
    }
    let Some(rest) = rest else {
        let (user, since) = (&first.exchange.user, format_time(first.exchange.ended));
        return Some(format!("order {order} of user {user}, known since {since}, does not exist"));
    };
    history.iter().find_map(|earlier| {
        let was = format_time(earlier.exchange.ended);
        describe_regression(earlier.order, rest)
            .map(|regression| format!("order {order}, read at {was} and at the end: {regression}"))
    })
}

/// Describes a 404 for an order that was returned before.
fn not_found(exchange: &Exchange, observations: &Observations<'_>) -> Option<String> {
    let (order, _) = requested_order(exchange).filter(|_| exchange.status == Some(404))?;
    let earlier = before(exchange, observations.get(order)?).next()?;
    let (since, at) = (format_time(earlier.exchange.ended), format_time(exchange.started));
    Some(format!("order {order} of user {}, known since {since}, was not found at {at}", exchange.user))
}

/// Describes a payment of another amount than its order's total, or of an order that needs none.
fn wrong_payment(exchange: &Exchange, observations: &Observations<'_>) -> Option<String> {
    let payment = requested_order(exchange).filter(|(_, what)| *what == "/payment" && exchange.is_success());
    let (order, _) = payment?;
    let history = observations.get(order)?;
    let first = history.first()?.order;
    let (total, at) = (&first["totalAmount"], format_time(exchange.started));
    let (amount, currency) = (&exchange.response["amount"], &exchange.response["currency"]);
    if amount != total || *currency != first["currency"] {
        return Some(format!("payment of order {order} of {total} started with {amount} {currency} at {at}"));
    }
    let over = before(exchange, history).find(|earlier| is_payment_over(earlier.order))?;
    let (status, since) = (&over.order["status"], format_time(over.exchange.ended));
    Some(format!("payment of order {order}, {status} since {since}, started at {at}"))
}

/// Returns the observations that ended before an exchange began.
fn before<'a>(
    exchange: &Exchange,
    history: &'a [Observation<'a>],
) -> impl Iterator<Item = &'a Observation<'a>> {
    let started = exchange.started;
    history.iter().filter(move |observation| observation.exchange.ended <= started)
}

/// Finds lists without an order that was returned to the same user before. The newest orders come first, so a page that
/// is not the last must contain every order newer than its own last.
fn incomplete_lists(exchanges: &[Exchange], observations: &Observations<'_>) -> Vec<String> {
    let mut known: HashMap<&str, Vec<KnownOrder<'_>>> = HashMap::new();
    for (id, history) in observations {
        if let Some(Observation { exchange, order }) = history.first() {
            let order = KnownOrder { id, since: exchange.ended, created_at: timestamp(order, "createdAt") };
            known.entry(&exchange.user).or_default().push(order);
        }
    }
    let describe = |exchange: &Exchange| {
        let items = exchange.response["items"].as_array().filter(|_| is_unfiltered_list(exchange))?;
        let is_last_page = exchange.response["nextCursor"].is_null();
        let oldest = items.last().and_then(|order| timestamp(order, "createdAt"));
        let must_be_listed = |order: &&KnownOrder<'_>| {
            order.since <= exchange.started && (is_last_page || order.created_at > oldest)
        };
        let is_missing = |order: &&KnownOrder<'_>| !items.iter().any(|item| id(item) == order.id);
        let user = exchange.user.as_str();
        let KnownOrder { id, since, .. } = known.get(user)?.iter().filter(must_be_listed).find(is_missing)?;
        let (since, at) = (format_time(*since), format_time(exchange.started));
        Some(format!("order {id} of user {user}, known since {since}, is missing from the list at {at}"))
    };
    exchanges.iter().filter_map(describe).collect()
}

/// An order that was returned to its user, and when.
struct KnownOrder<'a> {
    id: &'a str,
    since: Duration,
    created_at: Option<OffsetDateTime>,
}

/// Whether an exchange has returned the first page of all orders of its user.
fn is_unfiltered_list(exchange: &Exchange) -> bool {
    let is_filtered = exchange.path.contains("status=") || exchange.path.contains("cursor=");
    path(exchange) == "/api/orders" && exchange.is_success() && !is_filtered
}
