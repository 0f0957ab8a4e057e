//! I5: one state of a cart gave at most one order, and one key has one answer.
//!
//! That lines were ordered twice shows in what was put into carts, too: no user can have ordered more of a product than
//! they ever put there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    reading::{CartChange, Step, at, cart_change, id, orders_told, places_order},
    store::{Books, Key},
};
use crate::journal::Exchange;

/// What happened more than once.
pub(super) fn judge(books: &Books, exchanges: &[Exchange]) -> Vec<String> {
    [versions(books), keys(&books.keys, exchanges), surplus(books, exchanges)].concat()
}

/// States of a cart that gave more than one order.
fn versions(books: &Books) -> Vec<String> {
    let mut orders: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for order in books.orders.iter().filter(|order| order.status != "rejected") {
        orders.entry((&order.user_id, order.cart_version)).or_default().push(order.id.as_str());
    }
    let describe = |((user, version), orders): (_, Vec<_>)| {
        (orders.len() > 1)
            .then(|| format!("user {user}, cart version {version}: orders {}", orders.join(", ")))
    };
    orders.into_iter().filter_map(describe).collect()
}

/// Refusals that are kept with a key, and answered again.
const KEPT_REFUSALS: [&str; 3] = ["out_of_stock", "price_changed", "order_withdrawn"];

/// Keys that were answered in more than one way, or in another way than is written down.
fn keys(keys: &[Key], exchanges: &[Exchange]) -> Vec<String> {
    let noted: HashMap<_, _> =
        keys.iter().map(|row| ((row.user_id.as_str(), row.key.as_str()), row.order_id.as_str())).collect();
    let mut uses: BTreeMap<(&str, &str), Vec<&Exchange>> = BTreeMap::new();
    for exchange in exchanges.iter().filter(|exchange| places_order(exchange)) {
        if let Some(key) = &exchange.key {
            uses.entry((&exchange.user, key)).or_default().push(exchange);
        }
    }
    let judge = |((user, key), uses): ((&str, &str), Vec<&Exchange>)| {
        let placed: Vec<_> =
            uses.iter().filter_map(|exchange| Some((*exchange, order_of(exchange)?))).collect();
        let about = format!("key {key} of user {user}");
        let (first, order) = placed.first()?;
        if let Some((later, other)) = placed.iter().find(|(_, other)| other != order) {
            let (first, later) = (at(first.ended), at(later.ended));
            return Some(format!("{about}: order {order} at {first}, order {other} at {later}"));
        }
        if let Some(refused) = uses.iter().find(|exchange| contradicts(exchange, first)) {
            let (first, later, code) = (at(first.ended), at(refused.ended), &refused.told["code"]);
            return Some(format!("{about}: order {order} at {first}, refused with {code} at {later}"));
        }
        let written = noted.get(&(user, key)).copied().unwrap_or("none");
        (written != *order)
            .then(|| format!("{about}: answered with order {order}, stands for order {written}"))
    };
    uses.into_iter().filter_map(judge).collect()
}

/// The order that an exchange was told it had placed.
fn order_of(exchange: &Exchange) -> Option<&str> {
    orders_told(exchange).first().map(|order| id(order))
}

/// Whether an exchange was refused, though the same request was answered with an order in `placed`. What is kept with
/// a key must never be another answer; the rest must not once there is an order.
fn contradicts(exchange: &Exchange, placed: &Exchange) -> bool {
    let code = exchange.told["code"].as_str().unwrap_or_default();
    let is_kept = exchange.status == Some(409) && KEPT_REFUSALS.contains(&code);
    let is_later = exchange.started >= placed.ended;
    // Others are about who asks and how busy it is, or about a field of another request.
    let is_refused = matches!(exchange.status, Some(404 | 409 | 422)) && exchange.sent == placed.sent;
    is_kept || is_later && is_refused
}

/// Users who have more of a product, ordered and in the cart, than they can ever have put there.
fn surplus(books: &Books, exchanges: &[Exchange]) -> Vec<String> {
    let mut had: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    let placed: HashMap<_, _> = books
        .orders
        .iter()
        .filter(|order| order.was_placed())
        .map(|order| (order.id.as_str(), order.user_id.as_str()))
        .collect();
    for line in &books.lines {
        if let Some(user) = placed.get(line.order_id.as_str()) {
            *had.entry((user, i64::from(line.product_id))).or_default() += i64::from(line.quantity);
        }
    }
    for line in &books.cart_lines {
        *had.entry((&line.user_id, i64::from(line.product_id))).or_default() += i64::from(line.quantity);
    }
    let mut put: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    for exchange in exchanges {
        let Some(CartChange { product: Some(product), step }) = cart_change(exchange) else { continue };
        // A line that is set has so many more at most.
        if let Step::Add(quantity) | Step::Set(quantity) = step {
            *put.entry((&exchange.user, product)).or_default() += quantity;
        }
    }
    let known: BTreeSet<_> = exchanges.iter().map(|exchange| exchange.user.as_str()).collect();
    let describe = |((user, product), had): ((&str, i64), i64)| {
        let put = put.get(&(user, product)).copied().unwrap_or_default();
        (had > put && known.contains(user)).then(|| {
            format!("user {user}, product {product}: {had} ordered and in the cart, {put} put there at most")
        })
    };
    had.into_iter().filter_map(describe).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::invariants::{
        store::CartLine,
        testing::{asked, line_row, order, order_row},
    };

    fn place(key: &str) -> Exchange {
        asked("POST", "/api/orders").keyed(key)
    }

    fn refusal(code: &str) -> Value {
        json!({"code": code})
    }

    fn key_row(key: &str, order: &str) -> Key {
        Key { user_id: "u-1".to_owned(), key: key.to_owned(), order_id: order.to_owned() }
    }

    /// What is found of key `k` that stands for order a.
    fn found(uses: &[Exchange]) -> Vec<String> {
        keys(&[key_row("k", "a")], uses)
    }

    #[test]
    fn a_cart_as_it_stood_gives_one_order_and_any_number_of_refusals() {
        let books = Books {
            orders: vec![order_row("a", "paid"), order_row("b", "rejected"), order_row("c", "rejected")],
            ..Books::default()
        };
        assert_eq!(versions(&books), Vec::<String>::new());
    }

    #[test]
    fn a_cart_as_it_stood_that_gave_two_orders_is_found() {
        let mut books =
            Books { orders: vec![order_row("a", "paid"), order_row("b", "cancelled")], ..Books::default() };
        assert_eq!(versions(&books), ["user u-1, cart version 1: orders a, b"]);
        books.orders[1].cart_version = 2;
        assert_eq!(versions(&books), Vec::<String>::new());
        books.orders[1].cart_version = 1;
        books.orders[1].user_id = "u-2".to_owned();
        assert_eq!(versions(&books), Vec::<String>::new());
    }

    #[test]
    fn a_key_may_be_answered_with_its_order_as_often_as_it_is_sent() {
        let uses = [
            place("k").at(0).told(409, refusal("empty_cart")), // before anything was kept
            place("k").at(10).unanswered(),
            place("k").at(20).told(503, refusal("unavailable")),
            place("k").at(30).told(201, order("a")),
            place("k").at(40).told(429, refusal("rate_limited")),
            place("k").at(50).told(401, refusal("unauthenticated")),
            place("k")
                .at(60)
                .sending(json!({"expectedTotal": 1}))
                .told(422, refusal("idempotency_key_reused")),
            place("k").at(70).told(201, order("a")),
        ];
        assert_eq!(found(&uses), Vec::<String>::new());
    }

    #[test]
    fn a_key_that_gave_two_orders_is_found() {
        let uses = [place("k").at(0).told(201, order("a")), place("k").at(20).told(201, order("b"))];
        assert_eq!(found(&uses), ["key k of user u-1: order a at 0.010 s, order b at 0.030 s"]);
    }

    #[test]
    fn a_key_is_its_users_own() {
        let uses = [place("k").told(201, order("a")), place("k").by("u-2").told(201, order("b"))];
        let mut rows = vec![key_row("k", "a"), key_row("k", "b")];
        rows[1].user_id = "u-2".to_owned();
        assert_eq!(keys(&rows, &uses), Vec::<String>::new());
    }

    #[test]
    fn a_key_that_is_refused_once_it_has_an_order_is_found() {
        for code in ["empty_cart", "out_of_stock"] {
            let uses = [place("k").at(0).told(201, order("a")), place("k").at(20).told(409, refusal(code))];
            let refused =
                format!("key k of user u-1: order a at 0.010 s, refused with \"{code}\" at 0.030 s");
            assert_eq!(found(&uses), [refused]);
        }
    }

    #[test]
    fn a_refusal_that_is_kept_with_its_key_must_not_become_an_order() {
        let uses =
            [place("k").at(0).told(409, refusal("out_of_stock")), place("k").at(20).told(201, order("a"))];
        assert_eq!(found(&uses).len(), 1);
    }

    #[test]
    fn a_key_that_stands_for_another_order_than_was_told_is_found() {
        let uses = [place("k").told(201, order("b"))];
        assert_eq!(found(&uses), ["key k of user u-1: answered with order b, stands for order a"]);
        assert_eq!(keys(&[], &uses), ["key k of user u-1: answered with order b, stands for order none"]);
    }

    fn add(quantity: i64) -> Exchange {
        let sent = json!({"productId": 7, "quantity": quantity});
        asked("POST", "/api/cart/add").sending(sent)
    }

    /// Two orders of 2 each, and 1 in the cart.
    fn shopped() -> Books {
        let in_cart = CartLine { user_id: "u-1".to_owned(), product_id: 7, quantity: 1 };
        Books {
            orders: vec![order_row("a", "paid"), order_row("b", "cancelled"), order_row("c", "rejected")],
            lines: vec![line_row("a", 2), line_row("b", 2), line_row("c", 9)],
            cart_lines: vec![in_cart],
            ..Books::default()
        }
    }

    #[test]
    fn what_is_ordered_or_in_the_cart_was_put_there_or_may_have_been() {
        let set = asked("PUT", "/api/cart/items/7").sending(json!({"quantity": 1}));
        let exchanges = [add(2).told(200, json!({})), add(2).unanswered(), set.told(200, json!({}))];
        assert_eq!(surplus(&shopped(), &exchanges), Vec::<String>::new());
    }

    #[test]
    fn lines_that_were_ordered_twice_are_found() {
        let exchanges =
            [add(2).told(200, json!({})), add(1).told(200, json!({})), add(5).told(404, json!({}))];
        let twice = ["user u-1, product 7: 5 ordered and in the cart, 3 put there at most"];
        assert_eq!(surplus(&shopped(), &exchanges), twice);
    }

    #[test]
    fn nothing_is_said_of_users_who_are_not_in_the_journal() {
        assert_eq!(surplus(&shopped(), &[add(1).by("u-2").unanswered()]), Vec::<String>::new());
    }
}
