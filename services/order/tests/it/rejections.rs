//! Rejected checkouts: they return an error and reserve nothing.

use bodega_proto::order::v1::{ListAllOrdersRequest, PlaceOrderRequest};
use tonic::Code;

use crate::{
    faults::Fault,
    test_app::{HAT, MUG, MUG_PRICE, PEN, TestApp, error_reason, violations},
};

#[tokio::test]
async fn insufficient_stock_names_each_short_line_and_reserves_nothing() {
    let app = TestApp::start().await;
    app.catalog.add_stock(HAT, "Hat", 3000, 1);
    let user = app.user_with_cart(&[(MUG, 1), (HAT, 3), (99, 1), (PEN, 2000)]);
    let status = app.place(user, "").await.unwrap_err();

    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(bodega_runtime::status::reason(&status), "out_of_stock");
    let expected = [
        ("products[2]", "only 1000 left of Pen, 2000 requested"),
        ("products[3]", "only 1 left of Hat, 3 requested"),
        ("products[99]", "product 99 does not exist"),
    ]
    .map(|(field, message)| (field.to_owned(), message.to_owned()));
    assert_eq!(sorted(violations(&status)), expected);

    assert_eq!(app.catalog.available(MUG), 1000);
    assert_eq!(app.cart.lines_of(user).len(), 4, "the cart is unchanged");
    app.assert_consistent().await;
}

fn sorted(mut violations: Vec<(String, String)>) -> Vec<(String, String)> {
    violations.sort_by_key(|(field, _)| (field.len(), field.clone()));
    violations
}

#[tokio::test]
async fn a_rejected_checkout_is_not_an_order() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(HAT, 1)]);
    app.place(user, "").await.unwrap_err();
    let orders = app.admin().list_all_orders(ListAllOrdersRequest::default()).await.unwrap().into_inner();
    assert_eq!(orders.orders, []);

    let checkout: uuid::Uuid = sqlx::query_scalar("select id from orders.orders where user_id = $1")
        .bind(user)
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert_eq!(error_reason(app.cancel(user, &checkout.to_string()).await), "order_not_found");
    let confirmed = bodega_proto::order::v1::OrderStatus::Confirmed;
    assert_eq!(error_reason(app.update_status(&checkout.to_string(), confirmed).await), "order_not_found");
}

#[tokio::test]
async fn the_same_cart_can_be_ordered_after_a_restock() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(HAT, 1)]);
    assert_eq!(error_reason(app.place(user, "").await), "out_of_stock");
    app.catalog.add_stock(HAT, "Hat", 3000, 1);
    app.place(user, "").await.unwrap();
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_repeated_key_returns_the_same_rejection() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(HAT, 1)]);
    let first = app.place(user, "key").await.unwrap_err();
    app.catalog.add_stock(HAT, "Hat", 3000, 1);
    let again = app.place(user, "key").await.unwrap_err();
    assert_eq!((again.code(), again.message()), (first.code(), first.message()));
    assert_eq!(violations(&again), violations(&first));
    app.place(user, "another key").await.unwrap();
    app.assert_consistent().await;
}

#[tokio::test]
async fn an_unexpected_total_names_the_changed_lines_and_releases_the_stock() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 2), (PEN, 1)]);
    app.catalog.add_stock(MUG, "Mug", 1200, 0);
    let status = app.place_expecting(user, "key", 2250).await.unwrap_err();

    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(bodega_runtime::status::reason(&status), "price_changed");
    assert_eq!(status.message(), "total is 26.50 USD, expected 22.50 USD");
    let expected = ("products[1]".to_owned(), "price of Mug changed from 10.00 USD to 12.00 USD".to_owned());
    assert_eq!(violations(&status), [expected]);
    assert_eq!(app.catalog.available(MUG), 1000, "released by the call, not by the worker");

    let again = app.place_expecting(user, "key", 2250).await.unwrap_err();
    assert_eq!(again.message(), status.message());
    let order = app.place_expecting(user, "", 2650).await.unwrap();
    assert_eq!(order.total_minor, 2650);
    app.assert_consistent().await;
}

#[tokio::test]
async fn without_an_expected_total_current_prices_apply() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.add_stock(MUG, "Mug", 1200, 0);
    assert_eq!(app.place(user, "").await.unwrap().total_minor, 1200);
}

#[tokio::test]
async fn a_reservation_rejected_by_the_catalog_withdraws_the_order() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().once("Reserve", Fault::Rejected(Code::InvalidArgument));
    assert_eq!(error_reason(app.place(user, "").await), "order_withdrawn");
    app.assert_consistent().await;
    app.place(user, "").await.unwrap();
    app.assert_consistent().await;
}

#[tokio::test]
async fn rejects_invalid_fields_before_any_call() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    let request = PlaceOrderRequest {
        idempotency_key: "line\nbreak".to_owned(),
        expected_total_minor: Some(-MUG_PRICE),
        form: None,
        ..Default::default()
    };
    let status = app.client(user).place_order(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let fields: Vec<_> = violations(&status).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["idempotency_key", "expected_total_minor"]);
    assert_eq!(app.cart.calls(), (0, 0));
}
