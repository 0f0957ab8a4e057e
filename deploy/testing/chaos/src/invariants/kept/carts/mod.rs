//! Carts show what was put into them and taken out, and nothing else.
//!
//! Each user's cart is played again from the journal, product by product. What was not answered may have been carried
//! out or not, see [`quantities`](super::quantities); and what was ordered leaves the cart with the order or soon after.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use time::OffsetDateTime;

use super::quantities::{LATEST, Quantities};
use crate::{
    invariants::{
        reading::{CartChange, Step, at, cart_change, cart_shown, time},
        store::Books,
    },
    journal::Exchange,
};

/// Carts that showed, or hold in the end, what they cannot.
pub(super) fn judge(exchanges: &[Exchange], books: &Books) -> Vec<String> {
    let mut by_user: BTreeMap<&str, Vec<&Exchange>> = BTreeMap::new();
    for exchange in exchanges.iter().filter(|exchange| !exchange.user.is_empty()) {
        by_user.entry(&exchange.user).or_default().push(exchange);
    }
    let mut ordered = ordered(books, exchanges);
    let mut held: HashMap<&str, HashMap<i64, i64>> = HashMap::new();
    for line in &books.cart_lines {
        held.entry(&line.user_id).or_default().insert(line.product_id.into(), line.quantity.into());
    }
    let judge = |(user, exchanges): (&str, Vec<&Exchange>)| {
        let orders = ordered.remove(user).unwrap_or_default();
        let user = User { id: user, exchanges, orders, held: held.remove(user).unwrap_or_default() };
        user.products().into_iter().filter_map(|product| user.replay(product)).collect::<Vec<_>>()
    };
    by_user.into_iter().flat_map(judge).collect()
}

/// What an order took out of the cart.
#[derive(Default)]
struct Taken {
    /// The earliest moment at which it can have been.
    since: Duration,
    /// Quantities by product.
    units: HashMap<i64, i64>,
}

/// What each user's orders took, whatever became of them later.
fn ordered<'a>(books: &'a Books, exchanges: &[Exchange]) -> HashMap<&'a str, Vec<Taken>> {
    let begun = begun(exchanges);
    let mut lines: HashMap<&str, HashMap<i64, i64>> = HashMap::new();
    for line in &books.lines {
        lines.entry(&line.order_id).or_default().insert(line.product_id.into(), line.quantity.into());
    }
    let mut ordered: HashMap<&str, Vec<Taken>> = HashMap::new();
    for order in books.orders.iter().filter(|order| order.was_placed()) {
        let since = order.placed_at.zip(begun).and_then(|(placed, begun)| (placed - begun).try_into().ok());
        let units = lines.remove(order.id.as_str()).unwrap_or_default();
        ordered.entry(&order.user_id).or_default().push(Taken { since: since.unwrap_or_default(), units });
    }
    ordered
}

/// When the journal was begun by the database's clock, or a little later: no change of a cart was made before it was
/// asked for. `None` when there was none.
fn begun(exchanges: &[Exchange]) -> Option<OffsetDateTime> {
    let changes =
        exchanges.iter().filter(|exchange| exchange.is_success() && cart_change(exchange).is_some());
    changes
        .filter_map(|change| time(&change.told, "updatedAt")?.checked_sub(change.started.try_into().ok()?))
        .min()
}

/// What there is to know of a user's cart.
struct User<'a> {
    id: &'a str,
    /// In the order they ended.
    exchanges: Vec<&'a Exchange>,
    orders: Vec<Taken>,
    /// What the cart holds in the end.
    held: HashMap<i64, i64>,
}

/// What happens to a product in a cart. What may happen from a moment on comes before what has happened by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Begun(Step),
    Done(Step),
    TooLate(Step),
    Seen(i64),
}

impl User<'_> {
    /// Every product that was ever in the cart, or should have been.
    fn products(&self) -> BTreeSet<i64> {
        let changed = self.exchanges.iter().filter_map(|exchange| cart_change(exchange)?.product);
        let shown = self.exchanges.iter().filter_map(|exchange| cart_shown(exchange)).flatten();
        let ordered = self.orders.iter().flat_map(|taken| taken.units.keys()).copied();
        changed
            .chain(shown.map(|(product, _)| product))
            .chain(ordered)
            .chain(self.held.keys().copied())
            .collect()
    }

    /// Plays all that happened to a product in the cart; the first thing that cannot be.
    fn replay(&self, product: i64) -> Option<String> {
        let mut quantities = Quantities::none();
        for (moment, event) in self.events(product) {
            match event {
                Event::Begun(step) => quantities.begin(step),
                Event::Done(step) => quantities.end(step),
                Event::TooLate(step) => quantities.forget(step),
                Event::Seen(seen) => {
                    if let Err(possible) = quantities.see(seen) {
                        return Some(self.contradiction(product, seen, &possible, &at(moment).to_string()));
                    }
                }
            }
        }
        for step in self.orders.iter().filter_map(|taken| taken.units.get(&product)) {
            quantities.end(Step::Order(*step));
        }
        let held = self.held.get(&product).copied().unwrap_or_default();
        let possible = quantities.see(held).err()?;
        Some(self.contradiction(product, held, &possible, "the end"))
    }

    fn contradiction(&self, product: i64, seen: i64, possible: &[i64], moment: &str) -> String {
        let possible: Vec<_> = possible.iter().map(i64::to_string).collect();
        let (user, possible) = (self.id, possible.join(" or "));
        format!(
            "the cart of user {user} has {seen} of product {product} at {moment}, by what was answered {possible}"
        )
    }

    fn events(&self, product: i64) -> Vec<(Duration, Event)> {
        let changes: Vec<_> = self
            .exchanges
            .iter()
            .filter_map(|exchange| Some((*exchange, cart_change(exchange)?)))
            .filter(|(_, change)| change.product.is_none_or(|changed| changed == product))
            .collect();
        let mut events = Vec::new();
        for (exchange, CartChange { step, .. }) in &changes {
            events.push((exchange.started, Event::Begun(*step)));
            events.push(match exchange.is_success() {
                true => (exchange.ended, Event::Done(*step)),
                false => (exchange.ended + LATEST, Event::TooLate(*step)),
            });
        }
        for Taken { since, units } in &self.orders {
            if let Some(quantity) = units.get(&product) {
                events.push((*since, Event::Begun(Step::Order(*quantity))));
            }
        }
        let done: Vec<_> = changes.iter().filter(|(change, _)| change.is_success()).collect();
        for exchange in &self.exchanges {
            let Some(lines) = cart_shown(exchange) else { continue };
            // A change that was made meanwhile may have come after what is shown.
            let made_meanwhile = |change: &Exchange| {
                exchange.started < change.ended
                    && change.ended <= exchange.ended
                    && !std::ptr::eq(change, *exchange)
            };
            if !done.iter().any(|(change, _)| made_meanwhile(change)) {
                let line = lines.iter().find(|(shown, _)| *shown == product);
                events.push((exchange.ended, Event::Seen(line.map_or(0, |(_, quantity)| *quantity))));
            }
        }
        events.sort_unstable();
        events
    }
}

#[cfg(test)]
mod tests;
