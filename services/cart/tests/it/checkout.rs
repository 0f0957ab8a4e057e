//! From a cart to an order.

use bodega_proto::cart::v1::{
    ClearOrderedRequest, GetSnapshotRequest, GetSnapshotResponse, OrderedLine, SnapshotLine,
};
use futures_util::future::join_all;
use tonic::Code;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::shop::Shop;

#[tokio::test]
async fn a_snapshot_is_by_product_id_with_the_version_and_the_prices_seen() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(9, 1).await.unwrap();
    user.add(2, 4).await.unwrap();
    let line =
        |product_id, quantity, quoted_price_minor| SnapshotLine { product_id, quantity, quoted_price_minor };
    let lines = vec![line(2, 4, 200), line(9, 1, 900)];
    assert_eq!(shop.snapshot(&user).await, GetSnapshotResponse { version: 2, lines });
}

#[tokio::test]
async fn a_user_who_never_shopped_has_an_empty_snapshot() {
    let shop = Shop::open().await;
    assert_eq!(shop.snapshot(&shop.user()).await, GetSnapshotResponse::default());
    assert_eq!(shop.carts().await, 0);
}

#[tokio::test]
async fn the_price_seen_is_that_of_the_last_add_or_set() {
    let shop = Shop::open().await;
    let user = shop.user();
    let seen = async || shop.snapshot(&user).await.lines[0].quoted_price_minor;
    user.add(1, 1).await.unwrap();
    shop.catalog.edit(1, |product| product.price_minor = 55);
    user.get().await.unwrap();
    assert_eq!(seen().await, 100, "looking is not agreeing");
    user.add(1, 1).await.unwrap();
    assert_eq!(seen().await, 55);
    shop.catalog.edit(1, |product| product.price_minor = 66);
    user.add(2, 1).await.unwrap();
    assert_eq!(seen().await, 55, "another line is another line");
    user.set(1, 1).await.unwrap();
    assert_eq!(seen().await, 66);
    shop.catalog.forget(1);
    user.set(1, 2).await.unwrap();
    assert_eq!(seen().await, 66);
}

#[tokio::test]
async fn what_was_ordered_leaves_the_cart_and_what_came_since_stays() {
    let shop = Shop::open().await;
    let user = shop.user();
    for (product_id, quantity) in [(1, 2), (2, 5), (3, 1), (4, 1)] {
        user.add(product_id, quantity).await.unwrap();
    }
    let ordered = [(1, 2), (2, 3), (3, 9), (8, 1)];
    shop.clear_ordered(Uuid::now_v7(), &user, &ordered).await;
    assert_eq!(user.lines().await, [(2, 2), (4, 1)]);
    assert_eq!(user.get().await.unwrap().version, 5);
}

#[tokio::test]
async fn an_order_is_cleared_once() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 10).await.unwrap();
    let order_id = Uuid::now_v7();
    shop.clear_ordered(order_id, &user, &[(1, 3)]).await;
    let cleared = user.get().await.unwrap();
    shop.clear_ordered(order_id, &user, &[(1, 3)]).await;
    assert_eq!(user.get().await.unwrap(), cleared);
    assert_eq!(user.lines().await, [(1, 7)]);
    shop.clear_ordered(Uuid::now_v7(), &user, &[(1, 3)]).await;
    assert_eq!(user.lines().await, [(1, 4)]);
}

#[tokio::test]
async fn an_order_of_somebody_without_a_cart_counts_as_cleared() {
    let shop = Shop::open().await;
    let user = shop.user();
    let order_id = Uuid::now_v7();
    shop.clear_ordered(order_id, &user, &[(1, 3)]).await;
    user.add(1, 3).await.unwrap();
    shop.clear_ordered(order_id, &user, &[(1, 3)]).await;
    assert_eq!(user.lines().await, [(1, 3)]);
}

#[tokio::test]
async fn only_the_users_own_cart_is_cleared() {
    let shop = Shop::open().await;
    let (user, other) = (shop.user(), shop.user());
    user.add(1, 1).await.unwrap();
    other.add(1, 1).await.unwrap();
    shop.clear_ordered(Uuid::now_v7(), &user, &[(1, 1)]).await;
    assert_eq!(other.lines().await, [(1, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_cleared_twenty_times_at_once_counts_once() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 100).await.unwrap();
    let order_id = Uuid::now_v7();
    join_all((0..20).map(|_| shop.clear_ordered(order_id, &user, &[(1, 3)]))).await;
    assert_eq!(user.lines().await, [(1, 97)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn adds_that_race_with_an_order_lose_nothing() {
    let shop = Shop::open().await;
    let user = shop.user();
    for _ in 0..5 {
        user.add(1, 10).await.unwrap();
        let before = user.get().await.unwrap().count;
        let clear = shop.clear_ordered(Uuid::now_v7(), &user, &[(1, 10)]);
        let adds = join_all((0..20).map(|i| user.add(1 + i % 2, 1)));
        let ((), added) = tokio::join!(clear, adds);
        assert!(added.iter().all(Result::is_ok), "{added:?}");
        assert_eq!(user.get().await.unwrap().count, before - 10 + 20);
    }
}

#[tokio::test]
async fn what_is_no_order_is_refused_field_by_field() {
    let shop = Shop::open().await;
    let request = ClearOrderedRequest {
        order_id: "x".to_owned(),
        user_id: String::new(),
        lines: vec![
            OrderedLine { product_id: 1, quantity: 1 },
            OrderedLine { product_id: 1, quantity: 0 },
            OrderedLine { product_id: 1, quantity: -1 },
        ],
    };
    let refused = shop.checkout().clear_ordered(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations.into_iter().map(|violation| violation.field).collect();
    assert_eq!(fields, ["order_id", "user_id", "lines[1].quantity", "lines[2].quantity"]);

    let request = GetSnapshotRequest { user_id: "x".to_owned() };
    let refused = shop.checkout().get_snapshot(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}
