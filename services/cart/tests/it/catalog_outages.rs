//! Outages of the catalog: it is unavailable or slow.

use std::time::{Duration, Instant};

use bodega_proto::cart::v1::{AddItemRequest, GetCartRequest, cart_service_client::CartServiceClient};
use bodega_runtime::{
    auth::ServiceToken, context::CallContext, rate_limit::RateLimits, transport::Transport,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::test_app::{TestApp, database, lines, rejection};

#[tokio::test]
async fn calls_that_need_prices_fail_without_changing_anything() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 1).await.unwrap();
    user.add(2, 1).await.unwrap();
    let before = user.get().await.unwrap();

    app.catalog.set_down(true);
    for outcome in [
        user.get().await,
        user.add(1, 1).await,
        user.set(1, 5).await,
        user.remove(1).await,
        app.guest("").add(1, 1).await,
    ] {
        assert_eq!(outcome.unwrap_err().code(), Code::Unavailable);
    }
    app.catalog.set_down(false);
    assert_eq!(user.get().await.unwrap(), before);
    assert_eq!(app.cart_count().await, 1);
}

#[tokio::test]
async fn calls_without_prices_work_without_the_catalog() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 1).await.unwrap();
    let guest = app.guest_with(2, 1).await;

    app.catalog.set_down(true);
    assert_eq!(app.user().lines().await, []);
    user.merge(&guest.guest_token).await.unwrap();
    assert_eq!(app.snapshot(&user).await.lines.len(), 2);
    app.clear_ordered(uuid::Uuid::now_v7(), &user, &[(1, 1)]).await;
    assert_eq!(lines(&user.remove(2).await.unwrap()), [], "no line remains to be priced");
    user.clear().await.unwrap();
}

#[tokio::test]
async fn prices_a_concurrently_added_line() {
    let app = TestApp::start().await;
    let user = app.user();
    let mut held = app.catalog.hold_next_call();
    let slow = tokio::spawn({
        let user = user.clone();
        async move { user.add(1, 1).await }
    });
    held.arrived().await;
    user.add(2, 1).await.unwrap();
    app.catalog.take_calls();
    held.release();
    let cart = slow.await.unwrap().unwrap();
    assert_eq!(lines(&cart), [(2, 1), (1, 1)]);
    assert_eq!((cart.items[0].name.as_str(), cart.total_minor), ("Product 2", 300));
    assert_eq!(app.catalog.take_calls(), 1, "once more, for the concurrently added line");
}

#[tokio::test]
async fn a_committed_change_succeeds_even_if_the_catalog_fails_afterwards() {
    let app = TestApp::start().await;
    let user = app.user();
    let mut held = app.catalog.hold_next_call();
    let slow = tokio::spawn({
        let user = user.clone();
        async move { user.add(1, 1).await }
    });
    held.arrived().await;
    user.add(2, 1).await.unwrap();
    app.catalog.set_down(true);
    held.release();
    let cart = slow.await.unwrap().unwrap();
    assert_eq!(lines(&cart), [(2, 1), (1, 1)]);
    assert_eq!((cart.items[0].name.as_str(), cart.total_minor), ("", 300));
    app.catalog.set_down(false);
    assert_eq!(user.lines().await, [(2, 1), (1, 1)]);
}

#[tokio::test]
async fn a_slow_catalog_does_not_lock_the_cart() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 1).await.unwrap();
    let mut held = app.catalog.hold_next_call();
    let slow = tokio::spawn({
        let user = user.clone();
        async move { user.set(1, 9).await }
    });
    held.arrived().await;
    // The cart is not locked during the call to the catalog.
    user.remove(1).await.unwrap();
    held.release();
    assert_eq!(slow.await.unwrap().unwrap_err().code(), Code::NotFound);
    assert_eq!(user.lines().await, []);
}

#[tokio::test]
async fn a_concurrently_merged_guest_cart_is_not_recreated() {
    let app = TestApp::start().await;
    let guest = app.guest_with(1, 1).await;
    let user = app.user();
    let mut held = app.catalog.hold_next_call();
    let slow = tokio::spawn({
        let guest = guest.clone();
        async move { guest.add(1, 1).await }
    });
    held.arrived().await;
    user.merge(&guest.guest_token).await.unwrap();
    held.release();
    assert_eq!(rejection(slow.await.unwrap()), (Code::NotFound, "cart_not_found".into()));
    assert_eq!(user.lines().await, [(1, 1)]);
    assert_eq!(app.cart_count().await, 1);
}

#[tokio::test]
async fn returns_unavailable_when_the_catalog_is_down() {
    let (_database, db) = database().await;
    let closed_port =
        Transport::remote("catalog", "http://127.0.0.1:1".parse().unwrap(), &ServiceToken::random());
    let service = bodega_cart::start(
        db,
        closed_port,
        crate::test_app::CACHE_BYTES,
        RateLimits::On,
        CancellationToken::new(),
    )
    .await
    .unwrap();
    let mut client = CartServiceClient::new(Transport::unauthenticated(service.routes()));
    client.get_cart(GetCartRequest::default()).await.unwrap();
    let request = AddItemRequest { product_id: 1, quantity: 1, ..AddItemRequest::default() };
    assert_eq!(client.add_item(request).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn times_out_when_the_catalog_does_not_respond() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 1).await.unwrap();
    let context = || CallContext {
        deadline: Some((Instant::now() + Duration::from_secs(30)).into()),
        ..CallContext::default()
    };
    let calls: [(&str, BoxFuture<'_, _>); 4] = [
        ("get", user.get().boxed()),
        ("add", user.add(1, 1).boxed()),
        ("set", user.set(1, 5).boxed()),
        ("remove", user.remove(1).boxed()),
    ];
    user.add(2, 1).await.unwrap();
    for (name, call) in calls {
        let _held = app.catalog.hold_next_call();
        let started = Instant::now();
        let status = context().scope(call).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{name}");
        assert!(status.get_details_retry_info().is_some(), "{name}: {status:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "{name}: {:?}", started.elapsed());
    }
    assert_eq!(user.lines().await, [(1, 1), (2, 1)], "nothing has changed");
}

#[tokio::test]
async fn a_committed_change_succeeds_even_if_the_catalog_is_slow_afterwards() {
    let app = TestApp::start().await;
    let user = app.user();
    let mut held = app.catalog.hold_next_call();
    let slow = tokio::spawn({
        let user = user.clone();
        async move { user.add(1, 1).await }
    });
    held.arrived().await;
    user.add(2, 1).await.unwrap();
    let _second_held = app.catalog.hold_next_call();
    held.release();
    let cart = slow.await.unwrap().unwrap();
    assert_eq!(lines(&cart), [(2, 1), (1, 1)]);
    assert_eq!(cart.items[0].name, "");
}
