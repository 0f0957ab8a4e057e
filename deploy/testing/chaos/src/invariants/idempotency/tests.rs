use serde_json::{Value, json};

use super::*;
use crate::invariants::{
    fixtures::{line_row, order, order_row, request},
    snapshot::CartLine,
};

fn place(key: &str) -> Exchange {
    request("POST", "/api/orders").with_key(key)
}

fn problem(code: &str) -> Value {
    json!({"code": code})
}

fn key_row(key: &str, order: &str) -> IdempotencyKey {
    IdempotencyKey { user_id: "u-1".to_owned(), key: key.to_owned(), order_id: order.to_owned() }
}

/// Returns the violations if the database has order a for key `k`.
fn violations(uses: &[Exchange]) -> Vec<String> {
    contradictory_keys(&[key_row("k", "a")], uses)
}

#[test]
fn accepts_one_order_and_any_rejections_for_a_cart_version() {
    let snapshot = Snapshot {
        orders: vec![order_row("a", "paid"), order_row("b", "rejected"), order_row("c", "rejected")],
        ..Snapshot::default()
    };
    assert_eq!(repeated_cart_versions(&snapshot), Vec::<String>::new());
}

#[test]
fn finds_two_orders_for_a_cart_version() {
    let mut snapshot =
        Snapshot { orders: vec![order_row("a", "paid"), order_row("b", "cancelled")], ..Snapshot::default() };
    assert_eq!(repeated_cart_versions(&snapshot), ["user u-1, cart version 1: orders a, b"]);
    snapshot.orders[1].cart_version = 2;
    assert_eq!(repeated_cart_versions(&snapshot), Vec::<String>::new());
    snapshot.orders[1].cart_version = 1;
    snapshot.orders[1].user_id = "u-2".to_owned();
    assert_eq!(repeated_cart_versions(&snapshot), Vec::<String>::new());
}

#[test]
fn accepts_the_same_order_for_each_use_of_a_key() {
    let uses = [
        place("k").at(0).with_response(409, problem("empty_cart")), // not stored
        place("k").at(10).without_response(),
        place("k").at(20).with_response(503, problem("upstream_unavailable")),
        place("k").at(30).with_response(201, order("a")),
        place("k").at(40).with_response(429, problem("rate_limited")),
        place("k").at(50).with_response(401, problem("unauthenticated")),
        place("k")
            .at(60)
            .with_body(json!({"expectedTotal": 1}))
            .with_response(422, problem("idempotency_key_reused")),
        place("k").at(70).with_response(201, order("a")),
    ];
    assert_eq!(violations(&uses), Vec::<String>::new());
}

#[test]
fn finds_a_key_with_two_orders() {
    let uses =
        [place("k").at(0).with_response(201, order("a")), place("k").at(20).with_response(201, order("b"))];
    assert_eq!(violations(&uses), ["key k of user u-1: order a at 0.010 s, order b at 0.030 s"]);
}

#[test]
fn keys_belong_to_a_user() {
    let uses =
        [place("k").with_response(201, order("a")), place("k").by("u-2").with_response(201, order("b"))];
    let mut rows = vec![key_row("k", "a"), key_row("k", "b")];
    rows[1].user_id = "u-2".to_owned();
    assert_eq!(contradictory_keys(&rows, &uses), Vec::<String>::new());
}

#[test]
fn finds_a_key_that_was_rejected_after_its_order() {
    for code in ["empty_cart", "out_of_stock"] {
        let uses = [
            place("k").at(0).with_response(201, order("a")),
            place("k").at(20).with_response(409, problem(code)),
        ];
        let rejected = format!("key k of user u-1: order a at 0.010 s, rejected with \"{code}\" at 0.030 s");
        assert_eq!(violations(&uses), [rejected]);
    }
}

#[test]
fn finds_an_order_after_a_stored_rejection() {
    let uses = [
        place("k").at(0).with_response(409, problem("out_of_stock")),
        place("k").at(20).with_response(201, order("a")),
    ];
    assert_eq!(violations(&uses).len(), 1);
}

#[test]
fn finds_a_key_with_another_order_in_the_database() {
    let uses = [place("k").with_response(201, order("b"))];
    assert_eq!(violations(&uses), ["key k of user u-1: the response has order b, the database a"]);
    let missing = ["key k of user u-1: the response has order b, the database none"];
    assert_eq!(contradictory_keys(&[], &uses), missing);
}

fn add(quantity: i64) -> Exchange {
    request("POST", "/api/cart/add").with_body(json!({"productId": 7, "quantity": quantity}))
}

/// Two orders of 2 units each, and 1 unit in the cart.
fn snapshot() -> Snapshot {
    let in_cart = CartLine { user_id: "u-1".to_owned(), product_id: 7, quantity: 1 };
    Snapshot {
        orders: vec![order_row("a", "paid"), order_row("b", "cancelled"), order_row("c", "rejected")],
        lines: vec![line_row("a", 2), line_row("b", 2), line_row("c", 9)],
        cart_lines: vec![in_cart],
        ..Snapshot::default()
    }
}

#[test]
fn accepts_units_that_were_added_or_may_have_been() {
    let set = request("PUT", "/api/cart/items/7").with_body(json!({"quantity": 1}));
    let exchanges =
        [add(2).with_response(200, json!({})), add(2).without_response(), set.with_response(200, json!({}))];
    assert_eq!(surplus_units(&snapshot(), &exchanges), Vec::<String>::new());
}

#[test]
fn finds_lines_that_were_ordered_twice() {
    let exchanges = [
        add(2).with_response(200, json!({})),
        add(1).with_response(200, json!({})),
        add(5).with_response(404, json!({})),
    ];
    let twice = ["user u-1, product 7: 5 ordered or in the cart, at most 3 added"];
    assert_eq!(surplus_units(&snapshot(), &exchanges), twice);
}

#[test]
fn ignores_users_without_an_exchange() {
    let exchanges = [add(1).by("u-2").without_response()];
    assert_eq!(surplus_units(&snapshot(), &exchanges), Vec::<String>::new());
}
