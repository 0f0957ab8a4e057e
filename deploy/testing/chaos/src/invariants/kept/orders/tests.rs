use serde_json::json;

use super::*;
use crate::invariants::testing::{asked, order, stepped};

fn place(order: Value) -> Exchange {
    asked("POST", "/api/orders").at(0).told(201, order)
}

fn read(started: u64, order: &Value) -> Exchange {
    asked("GET", &format!("/api/orders/{}", id(order))).at(started).told(200, order.clone())
}

fn list(started: u64, orders: &[Value], next: Option<&str>) -> Exchange {
    asked("GET", "/api/orders?limit=5").at(started).told(200, json!({"items": orders, "nextCursor": next}))
}

/// What is found when these orders are shown in the end.
fn found(exchanges: &[Exchange], shown: &[Value]) -> Vec<String> {
    judge(exchanges, &shown.iter().map(|order| (id(order).to_owned(), order.clone())).collect())
}

fn paid() -> Value {
    stepped(&order("o-1"), "paid", Some("completed"))
}

#[test]
fn an_order_that_went_on_and_is_there_is_right() {
    let exchanges =
        [place(order("o-1")), read(20, &order("o-1")), read(40, &paid()), list(60, &[paid()], None)];
    let cancelled = stepped(&paid(), "cancelled", Some("refunded"));
    assert_eq!(found(&exchanges, &[cancelled]), Vec::<String>::new());
}

#[test]
fn an_order_that_is_gone_is_found() {
    let gone = "order o-1 of user u-1, told of at 0.010 s, is not there";
    assert_eq!(found(&[place(order("o-1"))], &[]), [gone]);
}

#[test]
fn an_order_that_is_there_but_not_as_it_was_told_is_found() {
    let mut other = order("o-1");
    other["totalAmount"] = json!(12.5);
    let found = found(&[place(order("o-1"))], &[other]);
    assert_eq!(found, ["order o-1, seen at 0.010 s and at the end: its totalAmount was 25.0, then 12.5"]);
}

#[test]
fn an_order_that_was_seen_to_go_backwards_is_found() {
    let exchanges = [read(0, &paid()), read(10, &order("o-1"))];
    let back = "order o-1, seen at 0.010 s and at 0.010 s: it was paid, then pending";
    assert_eq!(found(&exchanges, &[paid()]), [back]);
    let listed = [read(0, &paid()), list(20, &[order("o-1")], None)];
    let back = "order o-1, seen at 0.010 s and at 0.020 s: it was paid, then pending";
    assert_eq!(found(&listed, &[paid()]), [back]);
}

#[test]
fn reads_at_the_same_time_may_see_either() {
    let slow = asked("GET", "/api/orders/o-1").during(5, 30).told(200, order("o-1"));
    let exchanges = [read(0, &paid()), slow];
    assert_eq!(found(&exchanges, &[paid()]), Vec::<String>::new());
}

#[test]
fn an_order_that_went_backwards_only_in_the_end_is_found() {
    let back = "order o-1, seen at 0.010 s and at the end: it was paid, then pending";
    assert_eq!(found(&[read(0, &paid())], &[order("o-1")]), [back]);
}

#[test]
fn an_order_that_is_shown_to_another_is_found() {
    let found = found(&[place(order("o-1")).by("u-2")], &[order("o-1")]);
    assert_eq!(found, ["order o-1 of user \"u-1\" was shown to user u-2 at 0.010 s"]);
}

#[test]
fn an_order_that_was_denied_after_it_was_told_of_is_found() {
    let denied = |started| {
        let exchange = asked("POST", "/api/orders/o-1/cancel").at(started).told(404, json!({}));
        found(&[place(order("o-1")), exchange], &[order("o-1")])
    };
    assert_eq!(denied(10), ["order o-1 of user u-1, told of at 0.010 s, was not there at 0.010 s"]);
    assert_eq!(denied(9), Vec::<String>::new(), "nobody had been told yet");
}

fn pay(started: u64, amount: f64) -> Exchange {
    let told =
        json!({"paymentIntentId": "pi_1", "status": "requires_payment", "amount": amount, "currency": "USD"});
    asked("POST", "/api/orders/o-1/payment").at(started).told(200, told)
}

#[test]
fn a_payment_is_of_its_orders_total_and_begins_while_it_is_due() {
    let exchanges = [place(order("o-1")), pay(20, 25.0), pay(40, 25.0), read(35, &paid())];
    assert_eq!(found(&exchanges, &[paid()]), Vec::<String>::new());
}

#[test]
fn a_payment_of_another_amount_is_found() {
    let found = found(&[place(order("o-1")), pay(20, 24.0)], &[order("o-1")]);
    assert_eq!(found, ["order o-1 of 25.0 was to be paid with 24.0 \"USD\" at 0.020 s"]);
}

#[test]
fn a_payment_that_begins_when_the_order_is_paid_is_found() {
    let found = found(&[place(order("o-1")), read(20, &paid()), pay(30, 25.0)], &[paid()]);
    assert_eq!(found, ["order o-1, \"paid\" at 0.030 s, was to be paid at 0.030 s"]);
}

#[test]
fn a_list_that_leaves_an_order_out_is_found() {
    let shown = [order("o-1"), order("o-2")];
    let left_out = found(&[place(order("o-1")), list(20, &[order("o-2")], None)], &shown);
    assert_eq!(left_out, ["order o-1 of user u-1, told of at 0.010 s, was not in the list at 0.020 s"]);
    let filtered = asked("GET", "/api/orders?status=paid").at(20).told(200, json!({"items": []}));
    assert_eq!(found(&[place(order("o-1")), filtered], &shown), Vec::<String>::new());
    assert_eq!(found(&[place(order("o-1")), list(5, &[], None)], &shown), Vec::<String>::new());
}

#[test]
fn a_page_has_all_that_are_newer_than_its_last() {
    let mut newer = order("o-2");
    newer["createdAt"] = "2026-11-21T09:30:00.5Z".into();
    let shown = [order("o-1"), newer.clone()];
    let told = [place(order("o-1")), place(newer.clone())];
    let page = |orders: &[Value]| found(&[&told[..], &[list(20, orders, Some("x"))]].concat(), &shown);
    assert_eq!(page(&[newer]), Vec::<String>::new());
    let left_out = ["order o-2 of user u-1, told of at 0.010 s, was not in the list at 0.020 s"];
    assert_eq!(page(&[order("o-1")]), left_out);
}
