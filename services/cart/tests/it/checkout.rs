//! Snapshots of carts, and clearing of ordered lines.

use bodega_proto::{
    cart::v1::{
        ClearOrderedRequest, GetPricedSnapshotRequest, GetSnapshotRequest, GetSnapshotResponse, OrderedLine,
        PricedLine, SnapshotLine,
    },
    catalog::v1::Category,
};
use futures_util::future::join_all;
use tonic::Code;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::test_app::TestApp;

#[tokio::test]
async fn a_snapshot_has_lines_by_product_id_quoted_prices_and_the_version() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(9, 1).await.unwrap();
    user.add(2, 4).await.unwrap();
    let line =
        |product_id, quantity, quoted_price_minor| SnapshotLine { product_id, quantity, quoted_price_minor };
    let lines = vec![line(2, 4, 200), line(9, 1, 900)];
    assert_eq!(app.snapshot(&user).await, GetSnapshotResponse { version: 2, lines, ..Default::default() });
}

#[tokio::test]
async fn a_priced_snapshot_has_current_names_prices_and_categories() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(9, 1).await.unwrap();
    user.add(2, 4).await.unwrap();
    app.catalog.edit(2, |product| {
        product.price_minor = 250;
        product.stock = 3;
        product.category = Some(Category { id: 7, name: "Cups".to_owned(), ..Category::default() });
    });
    app.catalog.delete(9);
    let request = || GetPricedSnapshotRequest { user_id: user.user_id.unwrap().to_string() };
    let snapshot = app.checkout().get_priced_snapshot(request()).await.unwrap().into_inner();
    let cup = PricedLine {
        product_id: 2,
        name: "Product 2".to_owned(),
        price_minor: 250,
        quantity: 4,
        available: false,
        category_id: Some(7),
        ..PricedLine::default()
    };
    let deleted = PricedLine { product_id: 9, price_minor: 900, quantity: 1, ..PricedLine::default() };
    assert_eq!(snapshot.lines, [cup, deleted]);
    assert_eq!(snapshot.currency, "USD");

    app.catalog.set_down(true);
    let error = app.checkout().get_priced_snapshot(request()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_user_without_a_cart_has_an_empty_snapshot() {
    let app = TestApp::start().await;
    assert_eq!(app.snapshot(&app.user()).await, GetSnapshotResponse::default());
    assert_eq!(app.cart_count().await, 0);
}

#[tokio::test]
async fn the_quoted_price_is_that_of_the_last_add_or_set() {
    let app = TestApp::start().await;
    let user = app.user();
    let quoted = async || app.snapshot(&user).await.lines[0].quoted_price_minor;
    user.add(1, 1).await.unwrap();
    app.catalog.edit(1, |product| product.price_minor = 55);
    user.get().await.unwrap();
    assert_eq!(quoted().await, 100, "reading the cart does not change the quoted price");
    user.add(1, 1).await.unwrap();
    assert_eq!(quoted().await, 55);
    app.catalog.edit(1, |product| product.price_minor = 66);
    user.add(2, 1).await.unwrap();
    assert_eq!(quoted().await, 55, "changing another line does not change it");
    user.set(1, 1).await.unwrap();
    assert_eq!(quoted().await, 66);
    app.catalog.delete(1);
    user.set(1, 2).await.unwrap();
    assert_eq!(quoted().await, 66);
}

#[tokio::test]
async fn removes_ordered_units_and_keeps_later_ones() {
    let app = TestApp::start().await;
    let user = app.user();
    for (product_id, quantity) in [(1, 2), (2, 5), (3, 1), (4, 1)] {
        user.add(product_id, quantity).await.unwrap();
    }
    let ordered = [(1, 2), (2, 3), (3, 9), (8, 1)];
    app.clear_ordered(Uuid::now_v7(), &user, &ordered).await;
    assert_eq!(user.lines().await, [(2, 2), (4, 1)]);
    assert_eq!(user.get().await.unwrap().version, 5);
}

#[tokio::test]
async fn an_order_is_cleared_once() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 10).await.unwrap();
    let order_id = Uuid::now_v7();
    app.clear_ordered(order_id, &user, &[(1, 3)]).await;
    let cleared = user.get().await.unwrap();
    app.clear_ordered(order_id, &user, &[(1, 3)]).await;
    assert_eq!(user.get().await.unwrap(), cleared);
    assert_eq!(user.lines().await, [(1, 7)]);
    app.clear_ordered(Uuid::now_v7(), &user, &[(1, 3)]).await;
    assert_eq!(user.lines().await, [(1, 4)]);
}

#[tokio::test]
async fn clearing_without_a_cart_counts_as_done() {
    let app = TestApp::start().await;
    let user = app.user();
    let order_id = Uuid::now_v7();
    app.clear_ordered(order_id, &user, &[(1, 3)]).await;
    user.add(1, 3).await.unwrap();
    app.clear_ordered(order_id, &user, &[(1, 3)]).await;
    assert_eq!(user.lines().await, [(1, 3)]);
}

#[tokio::test]
async fn only_the_users_own_cart_is_cleared() {
    let app = TestApp::start().await;
    let (user, other) = (app.user(), app.user());
    user.add(1, 1).await.unwrap();
    other.add(1, 1).await.unwrap();
    app.clear_ordered(Uuid::now_v7(), &user, &[(1, 1)]).await;
    assert_eq!(other.lines().await, [(1, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_clears_of_an_order_count_once() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 100).await.unwrap();
    let order_id = Uuid::now_v7();
    join_all((0..20).map(|_| app.clear_ordered(order_id, &user, &[(1, 3)]))).await;
    assert_eq!(user.lines().await, [(1, 97)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn adds_concurrent_with_a_clear_are_not_lost() {
    let app = TestApp::start().await;
    let user = app.user();
    for _ in 0..5 {
        user.add(1, 10).await.unwrap();
        let before = user.get().await.unwrap().count;
        let clear = app.clear_ordered(Uuid::now_v7(), &user, &[(1, 10)]);
        let adds = join_all((0..20).map(|i| user.add(1 + i % 2, 1)));
        let ((), added) = tokio::join!(clear, adds);
        assert!(added.iter().all(Result::is_ok), "{added:?}");
        assert_eq!(user.get().await.unwrap().count, before - 10 + 20);
    }
}

#[tokio::test]
async fn lists_all_invalid_fields() {
    let app = TestApp::start().await;
    let request = ClearOrderedRequest {
        order_id: "x".to_owned(),
        user_id: String::new(),
        lines: vec![
            OrderedLine { product_id: 1, quantity: 1 },
            OrderedLine { product_id: 1, quantity: 0 },
            OrderedLine { product_id: 1, quantity: -1 },
        ],
    };
    let rejected = app.checkout().clear_ordered(request).await.unwrap_err();
    assert_eq!(rejected.code(), Code::InvalidArgument);
    let violations = rejected.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations.into_iter().map(|violation| violation.field).collect();
    assert_eq!(fields, ["order_id", "user_id", "lines[1].quantity", "lines[2].quantity"]);

    let request = GetSnapshotRequest { user_id: "x".to_owned() };
    let rejected = app.checkout().get_snapshot(request).await.unwrap_err();
    assert_eq!(rejected.code(), Code::InvalidArgument);
}
