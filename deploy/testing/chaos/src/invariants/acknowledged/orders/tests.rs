use serde_json::json;

use super::*;
use crate::invariants::fixtures::{changed, order, request};

fn place(order: Value) -> Exchange {
    request("POST", "/api/orders").at(0).with_response(201, order)
}

fn read(started: u64, order: &Value) -> Exchange {
    request("GET", &format!("/api/orders/{}", id(order))).at(started).with_response(200, order.clone())
}

fn list(started: u64, orders: &[Value], next: Option<&str>) -> Exchange {
    let page = json!({"items": orders, "nextCursor": next});
    request("GET", "/api/orders?limit=5").at(started).with_response(200, page)
}

/// Returns the violations if REST has these orders at the end.
fn violations(exchanges: &[Exchange], rest: &[Value]) -> Vec<String> {
    find_violations(exchanges, &rest.iter().map(|order| (id(order).to_owned(), order.clone())).collect())
}

fn paid() -> Value {
    changed(&order("o-1"), "paid", Some("completed"))
}

#[test]
fn accepts_an_order_that_makes_progress() {
    let exchanges =
        [place(order("o-1")), read(20, &order("o-1")), read(40, &paid()), list(60, &[paid()], None)];
    let cancelled = changed(&paid(), "cancelled", Some("refunded"));
    assert_eq!(violations(&exchanges, &[cancelled]), Vec::<String>::new());
}

#[test]
fn finds_a_missing_order() {
    let missing = "order o-1 of user u-1, known since 0.010 s, does not exist";
    assert_eq!(violations(&[place(order("o-1"))], &[]), [missing]);
}

#[test]
fn finds_an_order_that_is_not_stored_as_it_was_returned() {
    let mut other = order("o-1");
    other["totalAmount"] = json!(12.5);
    let found = violations(&[place(order("o-1"))], &[other]);
    assert_eq!(found, ["order o-1, read at 0.010 s and at the end: totalAmount was 25.0, then 12.5"]);
}

#[test]
fn finds_a_read_that_goes_back() {
    let exchanges = [read(0, &paid()), read(10, &order("o-1"))];
    let back = "order o-1, read at 0.010 s and at 0.010 s: status was paid, then pending";
    assert_eq!(violations(&exchanges, &[paid()]), [back]);
    let listed = [read(0, &paid()), list(20, &[order("o-1")], None)];
    let back = "order o-1, read at 0.010 s and at 0.020 s: status was paid, then pending";
    assert_eq!(violations(&listed, &[paid()]), [back]);
}

#[test]
fn accepts_either_state_in_concurrent_reads() {
    let slow = request("GET", "/api/orders/o-1").during(5, 30).with_response(200, order("o-1"));
    let exchanges = [read(0, &paid()), slow];
    assert_eq!(violations(&exchanges, &[paid()]), Vec::<String>::new());
}

#[test]
fn finds_an_order_that_has_gone_back_at_the_end() {
    let back = "order o-1, read at 0.010 s and at the end: status was paid, then pending";
    assert_eq!(violations(&[read(0, &paid())], &[order("o-1")]), [back]);
}

#[test]
fn finds_an_order_that_is_returned_to_another_user() {
    let found = violations(&[place(order("o-1")).by("u-2")], &[order("o-1")]);
    assert_eq!(found, ["order o-1 of user \"u-1\" was returned to user u-2 at 0.010 s"]);
}

#[test]
fn finds_an_order_that_is_not_found_later() {
    let not_found = |started| {
        let exchange = request("POST", "/api/orders/o-1/cancel").at(started).with_response(404, json!({}));
        violations(&[place(order("o-1")), exchange], &[order("o-1")])
    };
    assert_eq!(not_found(10), ["order o-1 of user u-1, known since 0.010 s, was not found at 0.010 s"]);
    assert_eq!(not_found(9), Vec::<String>::new(), "it was not yet known");
}

fn pay(started: u64, amount: f64) -> Exchange {
    let payment =
        json!({"paymentIntentId": "pi_1", "status": "requires_payment", "amount": amount, "currency": "USD"});
    request("POST", "/api/orders/o-1/payment").at(started).with_response(200, payment)
}

#[test]
fn accepts_payments_of_the_total_before_the_order_is_paid() {
    let exchanges = [place(order("o-1")), pay(20, 25.0), pay(40, 25.0), read(35, &paid())];
    assert_eq!(violations(&exchanges, &[paid()]), Vec::<String>::new());
}

#[test]
fn finds_a_payment_of_another_amount() {
    let found = violations(&[place(order("o-1")), pay(20, 24.0)], &[order("o-1")]);
    assert_eq!(found, ["payment of order o-1 of 25.0 started with 24.0 \"USD\" at 0.020 s"]);
}

#[test]
fn finds_a_payment_of_a_paid_order() {
    let found = violations(&[place(order("o-1")), read(20, &paid()), pay(30, 25.0)], &[paid()]);
    assert_eq!(found, ["payment of order o-1, \"paid\" since 0.030 s, started at 0.030 s"]);
}

#[test]
fn finds_an_order_that_is_missing_from_a_list() {
    let rest = [order("o-1"), order("o-2")];
    let found = violations(&[place(order("o-1")), list(20, &[order("o-2")], None)], &rest);
    assert_eq!(found, ["order o-1 of user u-1, known since 0.010 s, is missing from the list at 0.020 s"]);
    let filtered = request("GET", "/api/orders?status=paid").at(20).with_response(200, json!({"items": []}));
    assert_eq!(violations(&[place(order("o-1")), filtered], &rest), Vec::<String>::new());
    assert_eq!(violations(&[place(order("o-1")), list(5, &[], None)], &rest), Vec::<String>::new());
}

#[test]
fn finds_an_order_that_is_missing_from_a_page_with_older_ones() {
    let mut newer = order("o-2");
    newer["createdAt"] = "2026-11-21T09:30:00.5Z".into();
    let rest = [order("o-1"), newer.clone()];
    let placed = [place(order("o-1")), place(newer.clone())];
    let page = |orders: &[Value]| violations(&[&placed[..], &[list(20, orders, Some("x"))]].concat(), &rest);
    assert_eq!(page(&[newer]), Vec::<String>::new());
    let missing = ["order o-2 of user u-1, known since 0.010 s, is missing from the list at 0.020 s"];
    assert_eq!(page(&[order("o-1")]), missing);
}
