//! Carts contain what was added and not removed or ordered.
//!
//! Each user's cart is replayed from the journal, product by product. A change without a known outcome may have been
//! applied or not, see [`quantities`]. Ordered units leave the cart with the order or later.

mod quantities;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use time::OffsetDateTime;

use self::quantities::{PROCESSING_LIMIT, Quantities};
use crate::{
    invariants::{
        exchanges::{CartChange, QuantityChange, cart_change, format_time, returned_cart, timestamp},
        snapshot::Snapshot,
    },
    journal::Exchange,
};

/// Finds impossible quantities in responses and in the database.
pub(super) fn find_violations(exchanges: &[Exchange], snapshot: &Snapshot) -> Vec<String> {
    let mut by_user: BTreeMap<&str, Vec<&Exchange>> = BTreeMap::new();
    for exchange in exchanges.iter().filter(|exchange| !exchange.user.is_empty()) {
        by_user.entry(&exchange.user).or_default().push(exchange);
    }
    let mut orders = orders_by_user(snapshot, exchanges);
    let mut stored: HashMap<&str, HashMap<i64, i64>> = HashMap::new();
    for line in &snapshot.cart_lines {
        stored.entry(&line.user_id).or_default().insert(line.product_id.into(), line.quantity.into());
    }
    let find = |(user, exchanges): (&str, Vec<&Exchange>)| {
        let orders = orders.remove(user).unwrap_or_default();
        let cart = Cart { user, exchanges, orders, stored: stored.remove(user).unwrap_or_default() };
        cart.products().into_iter().filter_map(|product| cart.replay(product)).collect::<Vec<_>>()
    };
    by_user.into_iter().flat_map(find).collect()
}

/// What an order has removed from the cart.
#[derive(Default)]
struct OrderedUnits {
    /// The earliest time at which the units left the cart.
    since: Duration,
    /// The ordered quantity of each product.
    quantities: HashMap<i64, i64>,
}

/// Returns the units of placed orders, including cancelled ones.
fn orders_by_user<'a>(snapshot: &'a Snapshot, exchanges: &[Exchange]) -> HashMap<&'a str, Vec<OrderedUnits>> {
    let journal_start = journal_start(exchanges);
    let mut lines: HashMap<&str, HashMap<i64, i64>> = HashMap::new();
    for line in &snapshot.lines {
        lines.entry(&line.order_id).or_default().insert(line.product_id.into(), line.quantity.into());
    }
    let mut orders: HashMap<&str, Vec<OrderedUnits>> = HashMap::new();
    for order in snapshot.orders.iter().filter(|order| order.was_placed()) {
        let placed = order.placed_at.zip(journal_start);
        let since = placed.and_then(|(placed, start)| (placed - start).try_into().ok()).unwrap_or_default();
        let quantities = lines.remove(order.id.as_str()).unwrap_or_default();
        orders.entry(&order.user_id).or_default().push(OrderedUnits { since, quantities });
    }
    orders
}

/// Estimates the start of the journal by the database's clock: the real start or a little later, since a change of a
/// cart is applied after its request was sent.
fn journal_start(exchanges: &[Exchange]) -> Option<OffsetDateTime> {
    let changes =
        exchanges.iter().filter(|exchange| exchange.is_success() && cart_change(exchange).is_some());
    changes
        .filter_map(|change| {
            timestamp(&change.response, "updatedAt")?.checked_sub(change.started.try_into().ok()?)
        })
        .min()
}

struct Cart<'a> {
    user: &'a str,
    /// In the order in which they ended.
    exchanges: Vec<&'a Exchange>,
    orders: Vec<OrderedUnits>,
    /// The quantities in the database, by product.
    stored: HashMap<i64, i64>,
}

/// An event in the history of a product. Of events at the same time, those that allow more states come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Started(QuantityChange),
    Completed(QuantityChange),
    Expired(QuantityChange),
    Observed(i64),
}

impl Cart<'_> {
    /// Returns every product that was ever in the cart, or should have been.
    fn products(&self) -> BTreeSet<i64> {
        let changed = self.exchanges.iter().filter_map(|exchange| cart_change(exchange)?.product);
        let returned = self.exchanges.iter().filter_map(|exchange| returned_cart(exchange)).flatten();
        let ordered = self.orders.iter().flat_map(|order| order.quantities.keys()).copied();
        changed
            .chain(returned.map(|(product, _)| product))
            .chain(ordered)
            .chain(self.stored.keys().copied())
            .collect()
    }

    /// Replays the history of a product and describes the first impossible quantity.
    fn replay(&self, product: i64) -> Option<String> {
        let mut quantities = Quantities::of_empty_cart();
        for (time, event) in self.events(product) {
            match event {
                Event::Started(change) => quantities.start(change),
                Event::Completed(change) => quantities.complete(change),
                Event::Expired(change) => quantities.expire(change),
                Event::Observed(observed) => {
                    if let Err(possible) = quantities.observe(observed) {
                        return Some(self.describe(
                            product,
                            observed,
                            &possible,
                            &format_time(time).to_string(),
                        ));
                    }
                }
            }
        }
        for quantity in self.orders.iter().filter_map(|order| order.quantities.get(&product)) {
            quantities.complete(QuantityChange::Order(*quantity));
        }
        let stored = self.stored.get(&product).copied().unwrap_or_default();
        let possible = quantities.observe(stored).err()?;
        Some(self.describe(product, stored, &possible, "the end"))
    }

    fn describe(&self, product: i64, observed: i64, possible: &[i64], at: &str) -> String {
        let possible: Vec<_> = possible.iter().map(i64::to_string).collect();
        let (user, possible) = (self.user, possible.join(" or "));
        format!("the cart of user {user} has {observed} of product {product} at {at}, expected {possible}")
    }

    fn events(&self, product: i64) -> Vec<(Duration, Event)> {
        let changes: Vec<_> = self
            .exchanges
            .iter()
            .filter_map(|exchange| Some((*exchange, cart_change(exchange)?)))
            .filter(|(_, change)| change.product.is_none_or(|changed| changed == product))
            .collect();
        let mut events = Vec::new();
        for (exchange, CartChange { change, .. }) in &changes {
            events.push((exchange.started, Event::Started(*change)));
            events.push(match exchange.is_success() {
                true => (exchange.ended, Event::Completed(*change)),
                false => (exchange.ended + PROCESSING_LIMIT, Event::Expired(*change)),
            });
        }
        for OrderedUnits { since, quantities } in &self.orders {
            if let Some(quantity) = quantities.get(&product) {
                events.push((*since, Event::Started(QuantityChange::Order(*quantity))));
            }
        }
        let completed: Vec<_> = changes.iter().filter(|(change, _)| change.is_success()).collect();
        for exchange in &self.exchanges {
            let Some(lines) = returned_cart(exchange) else { continue };
            // A change that was completed meanwhile may have been applied after the cart was read.
            let was_completed_meanwhile = |change: &Exchange| {
                exchange.started < change.ended
                    && change.ended <= exchange.ended
                    && !std::ptr::eq(change, *exchange)
            };
            if !completed.iter().any(|(change, _)| was_completed_meanwhile(change)) {
                let line = lines.iter().find(|(returned, _)| *returned == product);
                events.push((exchange.ended, Event::Observed(line.map_or(0, |(_, quantity)| *quantity))));
            }
        }
        events.sort_unstable();
        events
    }
}
