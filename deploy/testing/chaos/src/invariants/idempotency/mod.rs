//! I5: Each version of a cart results in at most one order, and each idempotency key in one result.
//!
//! Lines that were ordered twice also show in the quantities: a user cannot order more of a product than was added to
//! the cart.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    exchanges::{CartChange, QuantityChange, cart_change, format_time, id, is_checkout, returned_orders},
    snapshot::{IdempotencyKey, Snapshot},
};
use crate::journal::Exchange;

pub(super) fn find_violations(snapshot: &Snapshot, exchanges: &[Exchange]) -> Vec<String> {
    [
        repeated_cart_versions(snapshot),
        contradictory_keys(&snapshot.idempotency_keys, exchanges),
        surplus_units(snapshot, exchanges),
    ]
    .concat()
}

fn repeated_cart_versions(snapshot: &Snapshot) -> Vec<String> {
    let mut orders: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for order in snapshot.orders.iter().filter(|order| order.status != "rejected") {
        orders.entry((&order.user_id, order.cart_version)).or_default().push(order.id.as_str());
    }
    let describe = |((user, version), orders): (_, Vec<_>)| {
        (orders.len() > 1)
            .then(|| format!("user {user}, cart version {version}: orders {}", orders.join(", ")))
    };
    orders.into_iter().filter_map(describe).collect()
}

/// The codes of rejections that are stored with their idempotency key.
const STORED_REJECTIONS: [&str; 5] =
    ["out_of_stock", "price_changed", "discount_rejected", "shipping_unavailable", "order_withdrawn"];

/// Finds keys with different results, or with a result that differs from the database.
fn contradictory_keys(keys: &[IdempotencyKey], exchanges: &[Exchange]) -> Vec<String> {
    let stored: HashMap<_, _> =
        keys.iter().map(|row| ((row.user_id.as_str(), row.key.as_str()), row.order_id.as_str())).collect();
    let mut uses: BTreeMap<(&str, &str), Vec<&Exchange>> = BTreeMap::new();
    for exchange in exchanges.iter().filter(|exchange| is_checkout(exchange)) {
        if let Some(key) = &exchange.idempotency_key {
            uses.entry((&exchange.user, key)).or_default().push(exchange);
        }
    }
    let describe = |((user, key), uses): ((&str, &str), Vec<&Exchange>)| {
        let placed: Vec<_> =
            uses.iter().filter_map(|exchange| Some((*exchange, placed_order(exchange)?))).collect();
        let about = format!("key {key} of user {user}");
        let (first, order) = placed.first()?;
        let first_at = format_time(first.ended);
        if let Some((later, other)) = placed.iter().find(|(_, other)| other != order) {
            let later_at = format_time(later.ended);
            return Some(format!("{about}: order {order} at {first_at}, order {other} at {later_at}"));
        }
        if let Some(rejected) = uses.iter().find(|exchange| contradicts(exchange, first)) {
            let (rejected_at, code) = (format_time(rejected.ended), &rejected.response["code"]);
            return Some(format!(
                "{about}: order {order} at {first_at}, rejected with {code} at {rejected_at}"
            ));
        }
        let stored = stored.get(&(user, key)).copied().unwrap_or("none");
        (stored != *order).then(|| format!("{about}: the response has order {order}, the database {stored}"))
    };
    uses.into_iter().filter_map(describe).collect()
}

fn placed_order(exchange: &Exchange) -> Option<&str> {
    returned_orders(exchange).first().map(|order| id(order))
}

/// Whether a request was rejected although the same request has placed an order. A rejection that is stored with the
/// key is a contradiction at any time, any other rejection only after the order.
fn contradicts(exchange: &Exchange, placed: &Exchange) -> bool {
    let code = exchange.response["code"].as_str().unwrap_or_default();
    let is_stored = exchange.status == Some(409) && STORED_REJECTIONS.contains(&code);
    let is_later = exchange.started >= placed.ended;
    // Other statuses concern the caller or the load, and another body makes another request.
    let is_rejected = matches!(exchange.status, Some(404 | 409 | 422)) && exchange.request == placed.request;
    is_stored || is_later && is_rejected
}

/// Finds users with more units of a product, ordered and in the cart, than they can have added to the cart.
fn surplus_units(snapshot: &Snapshot, exchanges: &[Exchange]) -> Vec<String> {
    let mut present: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    let placed: HashMap<_, _> = snapshot
        .orders
        .iter()
        .filter(|order| order.was_placed())
        .map(|order| (order.id.as_str(), order.user_id.as_str()))
        .collect();
    for line in &snapshot.lines {
        if let Some(user) = placed.get(line.order_id.as_str()) {
            *present.entry((user, i64::from(line.product_id))).or_default() += i64::from(line.quantity);
        }
    }
    for line in &snapshot.cart_lines {
        let product = (line.user_id.as_str(), i64::from(line.product_id));
        *present.entry(product).or_default() += i64::from(line.quantity);
    }
    let mut added: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    for exchange in exchanges {
        let Some(CartChange { product: Some(product), change }) = cart_change(exchange) else { continue };
        // Setting a quantity adds at most that many.
        if let QuantityChange::Add(quantity) | QuantityChange::Set(quantity) = change {
            *added.entry((&exchange.user, product)).or_default() += quantity;
        }
    }
    let users: BTreeSet<_> = exchanges.iter().map(|exchange| exchange.user.as_str()).collect();
    let describe = |((user, product), present): ((&str, i64), i64)| {
        let added = added.get(&(user, product)).copied().unwrap_or_default();
        (present > added && users.contains(user)).then(|| {
            format!("user {user}, product {product}: {present} ordered or in the cart, at most {added} added")
        })
    };
    present.into_iter().filter_map(describe).collect()
}

#[cfg(test)]
mod tests;
