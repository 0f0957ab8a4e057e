//! Orders that were told of are there, as they were told, and were never seen to go backwards.
//!
//! Only exchanges that began after another had ended are compared with it; what they were told last is what REST shows
//! now that all is quiet.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::Value;
use time::OffsetDateTime;

use super::sightings::{is_past_paying, went_back};
use crate::{
    invariants::reading::{at, id, order_asked, orders_told, path, time},
    journal::Exchange,
};

/// An order as an exchange has told of it.
struct Sighting<'a> {
    exchange: &'a Exchange,
    order: &'a Value,
}

/// What was seen of each order, in the order it was told.
type Sightings<'a> = BTreeMap<&'a str, Vec<Sighting<'a>>>;

/// Orders that are gone, are another's, or went backwards.
pub(super) fn judge(exchanges: &[Exchange], shown: &HashMap<String, Value>) -> Vec<String> {
    let mut seen = Sightings::new();
    for exchange in exchanges {
        for order in orders_told(exchange) {
            seen.entry(id(order)).or_default().push(Sighting { exchange, order });
        }
    }
    let mut wrong: Vec<_> =
        seen.iter().filter_map(|(order, sightings)| history(order, sightings, shown.get(*order))).collect();
    wrong.extend(exchanges.iter().filter_map(|exchange| denied(exchange, &seen)));
    wrong.extend(exchanges.iter().filter_map(|exchange| mispriced(exchange, &seen)));
    wrong.extend(gaps(exchanges, &seen));
    wrong
}

/// The first thing that is wrong with what was seen of an order, and with what is `shown` of it now.
fn history(order: &str, sightings: &[Sighting<'_>], shown: Option<&Value>) -> Option<String> {
    let first = sightings.first()?;
    for later in sightings {
        let user = &later.exchange.user;
        if later.order["userId"] != user.as_str() {
            let (at, owner) = (at(later.exchange.ended), &later.order["userId"]);
            return Some(format!("order {order} of user {owner} was shown to user {user} at {at}"));
        }
        for earlier in earlier(later.exchange, sightings) {
            if let Some(how) = went_back(earlier.order, later.order) {
                let (was, is) = (at(earlier.exchange.ended), at(later.exchange.started));
                return Some(format!("order {order}, seen at {was} and at {is}: {how}"));
            }
        }
    }
    let Some(shown) = shown else {
        let (user, since) = (&first.exchange.user, at(first.exchange.ended));
        return Some(format!("order {order} of user {user}, told of at {since}, is not there"));
    };
    sightings.iter().find_map(|earlier| {
        let was = at(earlier.exchange.ended);
        went_back(earlier.order, shown)
            .map(|how| format!("order {order}, seen at {was} and at the end: {how}"))
    })
}

/// Who was told that there is no such order, after having been told of it.
fn denied(exchange: &Exchange, seen: &Sightings<'_>) -> Option<String> {
    let (order, _) = order_asked(exchange).filter(|_| exchange.status == Some(404))?;
    let earlier = earlier(exchange, seen.get(order)?).next()?;
    let (was, is) = (at(earlier.exchange.ended), at(exchange.started));
    Some(format!("order {order} of user {}, told of at {was}, was not there at {is}", exchange.user))
}

/// Payments that were begun for another amount than their order's, or when there was nothing to pay any more.
fn mispriced(exchange: &Exchange, seen: &Sightings<'_>) -> Option<String> {
    let asked = order_asked(exchange).filter(|(_, what)| *what == "/payment" && exchange.is_success());
    let (order, _) = asked?;
    let sightings = seen.get(order)?;
    let (total, at_that) = (&sightings.first()?.order["totalAmount"], at(exchange.started));
    let (amount, currency) = (&exchange.told["amount"], &exchange.told["currency"]);
    if amount != total || *currency != sightings.first()?.order["currency"] {
        return Some(format!(
            "order {order} of {total} was to be paid with {amount} {currency} at {at_that}"
        ));
    }
    let past = earlier(exchange, sightings).find(|earlier| is_past_paying(earlier.order))?;
    let (status, was) = (&past.order["status"], at(past.exchange.ended));
    Some(format!("order {order}, {status} at {was}, was to be paid at {at_that}"))
}

/// What was seen before an exchange began.
fn earlier<'a>(exchange: &Exchange, sightings: &'a [Sighting<'a>]) -> impl Iterator<Item = &'a Sighting<'a>> {
    let started = exchange.started;
    sightings.iter().filter(move |sighting| sighting.exchange.ended <= started)
}

/// Lists that leave out an order which their reader had been told of. Lists have the newest first: one that goes on
/// elsewhere has all that are newer than its last.
fn gaps(exchanges: &[Exchange], seen: &Sightings<'_>) -> Vec<String> {
    let mut known: HashMap<&str, Vec<Known<'_>>> = HashMap::new();
    for (order, sightings) in seen {
        if let Some(Sighting { exchange, order: told }) = sightings.first() {
            let order = Known { id: order, since: exchange.ended, placed: placed_at(told) };
            known.entry(&exchange.user).or_default().push(order);
        }
    }
    let judge = |exchange: &Exchange| {
        let items = exchange.told["items"].as_array().filter(|_| lists_all(exchange))?;
        let is_last_page = exchange.told["nextCursor"].is_null();
        let oldest = items.last().and_then(placed_at);
        let is_due =
            |order: &&Known<'_>| order.since <= exchange.started && (is_last_page || order.placed > oldest);
        let is_missing = |order: &&Known<'_>| !items.iter().any(|item| id(item) == order.id);
        let user = exchange.user.as_str();
        let Known { id, since, .. } = known.get(user)?.iter().filter(is_due).find(is_missing)?;
        let (since, listed) = (at(*since), at(exchange.started));
        Some(format!("order {id} of user {user}, told of at {since}, was not in the list at {listed}"))
    };
    exchanges.iter().filter_map(judge).collect()
}

/// An order that its user knows of.
struct Known<'a> {
    id: &'a str,
    since: Duration,
    /// `None` when that cannot be read.
    placed: Option<OffsetDateTime>,
}

/// Whether an exchange has shown the first page of all orders of its user.
fn lists_all(exchange: &Exchange) -> bool {
    let is_narrowed = exchange.path.contains("status=") || exchange.path.contains("cursor=");
    path(exchange) == "/api/orders" && exchange.is_success() && !is_narrowed
}

fn placed_at(order: &Value) -> Option<OffsetDateTime> {
    time(order, "createdAt")
}

#[cfg(test)]
mod tests;
