//! Placing an order while all goes well.

use bodega_proto::order::v1::OrderStatus;

use crate::shop::{HAT, MUG, MUG_PRICE, PEN, PEN_PRICE, Shop, history, id, lines, refused};

#[tokio::test]
async fn an_order_has_the_lines_of_the_cart_at_the_prices_of_the_moment() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(PEN, 3), (MUG, 2)]);
    let order = shop.place(user, "").await.unwrap();

    assert_eq!(order.user_id, user.to_string());
    assert_eq!(order.status(), OrderStatus::Pending);
    assert_eq!((order.total_minor, order.currency.as_str()), (2 * MUG_PRICE + 3 * PEN_PRICE, "USD"));
    assert_eq!(lines(&order), [(MUG, 2), (PEN, 3)]);
    assert_eq!((order.items[0].name.as_str(), order.items[0].price_minor), ("Mug", MUG_PRICE));
    assert_eq!(order.items[1].line_total_minor, 3 * PEN_PRICE);
    assert_eq!(history(&order), [OrderStatus::Pending]);
    assert_eq!(order.history[0].at, order.created_at);
    assert_eq!(order.payment, None);

    assert!(shop.cart.holds(user).is_empty());
    assert_eq!((shop.catalog.left(MUG), shop.catalog.left(PEN)), (998, 997));
    shop.assert_sound().await;
}

#[tokio::test]
async fn what_an_order_says_stays_whatever_happens_to_the_product() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 1)]).await;
    shop.catalog.stock(MUG, "Mug", 9999, 0);
    assert_eq!(shop.get(&order.id).await, order);
}

#[tokio::test]
async fn a_fresh_order_asks_each_neighbour_once() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.place(user, "key").await.unwrap();
    assert_eq!(shop.cart.calls(), (1, 1), "one GetSnapshot, one ClearOrdered");
    assert_eq!(shop.catalog.calls(), (1, 0), "one Reserve");
    shop.assert_sound().await;
    assert_eq!(shop.cart.calls(), (1, 1), "nothing is left for the loops");
}

#[tokio::test]
async fn an_empty_cart_is_no_order() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[]);
    assert_eq!(refused(shop.place(user, "").await), "empty_cart");
    assert_eq!(shop.orders_of(user).await, 0);
}

#[tokio::test]
async fn a_cart_is_ordered_once_and_then_empty() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.place(user, "").await.unwrap();
    assert_eq!(refused(shop.place(user, "").await), "empty_cart");
    shop.put(user, &[(MUG, 1)]);
    shop.place(user, "").await.unwrap();
    assert_eq!(shop.orders_of(user).await, 2);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_repeated_key_gives_the_same_order_as_it_is_now() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    let first = shop.place(user, "key").await.unwrap();
    assert_eq!(shop.place(user, "key").await.unwrap(), first);

    shop.put(user, &[(PEN, 1)]);
    shop.change(&first.id, OrderStatus::Confirmed).await.unwrap();
    let again = shop.place(user, "key").await.unwrap();
    assert_eq!((&again.id, again.status()), (&first.id, OrderStatus::Confirmed));
    assert_eq!(shop.cart.holds(user), [(PEN, 1)].into(), "what came since stays in the cart");
}

#[tokio::test]
async fn a_repeated_key_with_another_request_is_refused() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.place(user, "key").await.unwrap();
    let answer = shop.place_at(user, "key", MUG_PRICE).await;
    assert_eq!(answer.as_ref().unwrap_err().code(), tonic::Code::InvalidArgument);
    assert_eq!(refused(answer), "idempotency_key_reused");
}

#[tokio::test]
async fn a_key_is_its_users_own() {
    let shop = Shop::open().await;
    let (one, other) = (shop.shopper(&[(MUG, 1)]), shop.shopper(&[(PEN, 1)]));
    let first = shop.place(one, "key").await.unwrap();
    let second = shop.place(other, "key").await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(lines(&second), [(PEN, 1)]);
}

#[tokio::test]
async fn the_expected_total_lets_an_order_of_just_that_total_pass() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 2)]);
    let order = shop.place_at(user, "", 2 * MUG_PRICE).await.unwrap();
    assert_eq!(order.total_minor, 2 * MUG_PRICE);
}

#[tokio::test]
async fn a_free_product_can_be_ordered() {
    let shop = Shop::open().await;
    shop.catalog.stock(HAT, "Hat", 0, 1);
    let order = shop.order(&[(HAT, 1)]).await;
    assert_eq!(order.total_minor, 0);
    shop.change(&order.id, OrderStatus::Paid).await.unwrap();
    shop.assert_sound().await;
}

#[tokio::test]
async fn no_two_attempts_of_one_cart_can_be_written_down() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 1)]).await;
    let copy = "insert into orders.orders (id, user_id, cart_version, status, lease_until, recover_at)
                select gen_random_uuid(), user_id, cart_version, 'placing', now(), now() from orders.orders where id = $1";
    let refused = sqlx::query(copy).bind(id(&order)).execute(&shop.db).await.unwrap_err();
    assert_eq!(bodega_runtime::status::violated_constraint(&refused), Some("one_order_per_cart_version"));
}
