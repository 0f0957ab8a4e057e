//! Placing orders.

use bodega_proto::order::v1::OrderStatus;

use crate::test_app::{HAT, MUG, MUG_PRICE, PEN, PEN_PRICE, TestApp, error_reason, history, id, lines};

#[tokio::test]
async fn an_order_has_the_cart_lines_at_current_prices() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(PEN, 3), (MUG, 2)]);
    let order = app.place(user, "").await.unwrap();

    assert_eq!(order.user_id, user.to_string());
    assert_eq!(order.status(), OrderStatus::Pending);
    assert_eq!((order.total_minor, order.currency.as_str()), (2 * MUG_PRICE + 3 * PEN_PRICE, "USD"));
    assert_eq!(lines(&order), [(MUG, 2), (PEN, 3)]);
    assert_eq!((order.items[0].name.as_str(), order.items[0].price_minor), ("Mug", MUG_PRICE));
    assert_eq!(order.items[1].line_total_minor, 3 * PEN_PRICE);
    assert_eq!(history(&order), [OrderStatus::Pending]);
    assert_eq!(order.history[0].at, order.created_at);
    assert_eq!(order.payment, None);

    assert!(app.cart.lines_of(user).is_empty());
    assert_eq!((app.catalog.available(MUG), app.catalog.available(PEN)), (998, 997));
    app.assert_consistent().await;
}

#[tokio::test]
async fn product_changes_do_not_affect_placed_orders() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    app.catalog.add_stock(MUG, "Mug", 9999, 0);
    assert_eq!(app.get(&order.id).await, order);
}

#[tokio::test]
async fn placing_an_order_calls_each_upstream_once() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.place(user, "key").await.unwrap();
    assert_eq!(app.cart.calls(), (1, 1), "one GetSnapshot, one ClearOrdered");
    assert_eq!(app.catalog.calls(), (1, 0), "one Reserve");
    app.assert_consistent().await;
    assert_eq!(app.cart.calls(), (1, 1), "nothing is left for the workers");
}

#[tokio::test]
async fn rejects_an_empty_cart() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[]);
    assert_eq!(error_reason(app.place(user, "").await), "empty_cart");
    assert_eq!(app.orders_of(user).await, 0);
}

#[tokio::test]
async fn a_cart_is_empty_after_its_order() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.place(user, "").await.unwrap();
    assert_eq!(error_reason(app.place(user, "").await), "empty_cart");
    app.add_to_cart(user, &[(MUG, 1)]);
    app.place(user, "").await.unwrap();
    assert_eq!(app.orders_of(user).await, 2);
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_repeated_key_returns_the_current_order() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    let first = app.place(user, "key").await.unwrap();
    assert_eq!(app.place(user, "key").await.unwrap(), first);

    app.add_to_cart(user, &[(PEN, 1)]);
    app.update_status(&first.id, OrderStatus::Confirmed).await.unwrap();
    let again = app.place(user, "key").await.unwrap();
    assert_eq!((&again.id, again.status()), (&first.id, OrderStatus::Confirmed));
    assert_eq!(app.cart.lines_of(user), [(PEN, 1)].into(), "newer lines stay in the cart");
}

#[tokio::test]
async fn rejects_a_key_with_another_request() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.place(user, "key").await.unwrap();
    let result = app.place_expecting(user, "key", MUG_PRICE).await;
    assert_eq!(result.as_ref().unwrap_err().code(), tonic::Code::InvalidArgument);
    assert_eq!(error_reason(result), "idempotency_key_reused");
}

#[tokio::test]
async fn keys_are_scoped_to_their_user() {
    let app = TestApp::start().await;
    let (one, other) = (app.user_with_cart(&[(MUG, 1)]), app.user_with_cart(&[(PEN, 1)]));
    let first = app.place(one, "key").await.unwrap();
    let second = app.place(other, "key").await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(lines(&second), [(PEN, 1)]);
}

#[tokio::test]
async fn accepts_an_order_with_the_expected_total() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 2)]);
    let order = app.place_expecting(user, "", 2 * MUG_PRICE).await.unwrap();
    assert_eq!(order.total_minor, 2 * MUG_PRICE);
}

#[tokio::test]
async fn a_free_product_can_be_ordered() {
    let app = TestApp::start().await;
    app.catalog.add_stock(HAT, "Hat", 0, 1);
    let order = app.new_order(&[(HAT, 1)]).await;
    assert_eq!(order.total_minor, 0);
    app.update_status(&order.id, OrderStatus::Paid).await.unwrap();
    app.assert_consistent().await;
}

#[tokio::test]
async fn the_schema_allows_one_order_per_cart_version() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let copy = "insert into orders.orders (id, user_id, cart_version, status, lease_until, recover_at)
                select gen_random_uuid(), user_id, cart_version, 'placing', now(), now() from orders.orders where id = $1";
    let error = sqlx::query(copy).bind(id(&order)).execute(&app.db).await.unwrap_err();
    assert_eq!(bodega_runtime::status::violated_constraint(&error), Some("one_order_per_cart_version"));
}
