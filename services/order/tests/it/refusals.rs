//! Attempts that are refused: what they say, and that they leave nothing behind.

use bodega_proto::order::v1::{ListAllOrdersRequest, PlaceOrderRequest};
use tonic::Code;

use crate::{
    faults::Fault,
    shop::{HAT, MUG, MUG_PRICE, PEN, Shop, named, refused},
};

#[tokio::test]
async fn too_little_stock_names_each_short_line_and_takes_nothing() {
    let shop = Shop::open().await;
    shop.catalog.stock(HAT, "Hat", 3000, 1);
    let user = shop.shopper(&[(MUG, 1), (HAT, 3), (99, 1), (PEN, 2000)]);
    let status = shop.place(user, "").await.unwrap_err();

    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(bodega_runtime::status::reason(&status), "out_of_stock");
    let expected = [
        ("products[2]", "only 1000 left of Pen, 2000 requested"),
        ("products[3]", "only 1 left of Hat, 3 requested"),
        ("products[99]", "product 99 does not exist"),
    ]
    .map(|(field, message)| (field.to_owned(), message.to_owned()));
    assert_eq!(sorted(named(&status)), expected);

    assert_eq!(shop.catalog.left(MUG), 1000);
    assert_eq!(shop.cart.holds(user).len(), 4, "the cart stays as it was");
    shop.assert_sound().await;
}

fn sorted(mut named: Vec<(String, String)>) -> Vec<(String, String)> {
    named.sort_by_key(|(field, _)| (field.len(), field.clone()));
    named
}

#[tokio::test]
async fn a_refused_attempt_is_no_order() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(HAT, 1)]);
    shop.place(user, "").await.unwrap_err();
    let orders = shop.admin().list_all_orders(ListAllOrdersRequest::default()).await.unwrap().into_inner();
    assert_eq!(orders.orders, []);

    let attempt: uuid::Uuid = sqlx::query_scalar("select id from orders.orders where user_id = $1")
        .bind(user)
        .fetch_one(&shop.db)
        .await
        .unwrap();
    assert_eq!(refused(shop.cancel(user, &attempt.to_string()).await), "order_not_found");
    let confirmed = bodega_proto::order::v1::OrderStatus::Confirmed;
    assert_eq!(refused(shop.change(&attempt.to_string(), confirmed).await), "order_not_found");
}

#[tokio::test]
async fn after_a_restock_the_same_cart_is_ordered() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(HAT, 1)]);
    assert_eq!(refused(shop.place(user, "").await), "out_of_stock");
    shop.catalog.stock(HAT, "Hat", 3000, 1);
    shop.place(user, "").await.unwrap();
    shop.assert_sound().await;
}

#[tokio::test]
async fn the_key_of_a_refused_attempt_is_refused_the_same_again() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(HAT, 1)]);
    let first = shop.place(user, "key").await.unwrap_err();
    shop.catalog.stock(HAT, "Hat", 3000, 1);
    let again = shop.place(user, "key").await.unwrap_err();
    assert_eq!((again.code(), again.message()), (first.code(), first.message()));
    assert_eq!(named(&again), named(&first));
    shop.place(user, "another key").await.unwrap();
    shop.assert_sound().await;
}

#[tokio::test]
async fn another_total_than_expected_names_the_changed_lines_and_gives_the_stock_back() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 2), (PEN, 1)]);
    shop.catalog.stock(MUG, "Mug", 1200, 0);
    let status = shop.place_at(user, "key", 2250).await.unwrap_err();

    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(bodega_runtime::status::reason(&status), "price_changed");
    assert_eq!(status.message(), "total is 26.50 USD, expected 22.50 USD");
    let expected = ("products[1]".to_owned(), "price of Mug changed from 10.00 USD to 12.00 USD".to_owned());
    assert_eq!(named(&status), [expected]);
    assert_eq!(shop.catalog.left(MUG), 1000, "at once, not by the loop");

    let again = shop.place_at(user, "key", 2250).await.unwrap_err();
    assert_eq!(again.message(), status.message());
    let order = shop.place_at(user, "", 2650).await.unwrap();
    assert_eq!(order.total_minor, 2650);
    shop.assert_sound().await;
}

#[tokio::test]
async fn who_does_not_say_what_to_expect_takes_the_price_of_the_moment() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.catalog.stock(MUG, "Mug", 1200, 0);
    assert_eq!(shop.place(user, "").await.unwrap().total_minor, 1200);
}

#[tokio::test]
async fn what_the_catalog_will_never_accept_is_withdrawn() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.catalog.faults().once("Reserve", Fault::Refused(Code::InvalidArgument));
    assert_eq!(refused(shop.place(user, "").await), "order_withdrawn");
    shop.assert_sound().await;
    shop.place(user, "").await.unwrap();
    shop.assert_sound().await;
}

#[tokio::test]
async fn bad_fields_are_refused_by_name_before_anything_happens() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    let request = PlaceOrderRequest {
        idempotency_key: "line\nbreak".to_owned(),
        expected_total_minor: Some(-MUG_PRICE),
    };
    let status = shop.client(user).place_order(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let fields: Vec<_> = named(&status).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["idempotency_key", "expected_total_minor"]);
    assert_eq!(shop.cart.calls(), (0, 0));
}
