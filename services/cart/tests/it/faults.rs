//! The catalog comes and goes, and takes its time.

use std::time::{Duration, Instant};

use bodega_proto::cart::v1::{AddItemRequest, GetCartRequest, cart_service_client::CartServiceClient};
use bodega_runtime::{auth::ServiceToken, context::CallContext, transport::Transport};
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::shop::{Shop, database, lines, refusal};

#[tokio::test]
async fn without_the_catalog_nothing_that_shows_prices_changes_anything() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 1).await.unwrap();
    user.add(2, 1).await.unwrap();
    let before = user.get().await.unwrap();

    shop.catalog.set_down(true);
    for outcome in [
        user.get().await,
        user.add(1, 1).await,
        user.set(1, 5).await,
        user.remove(1).await,
        shop.guest("").add(1, 1).await,
    ] {
        assert_eq!(outcome.unwrap_err().code(), Code::Unavailable);
    }
    shop.catalog.set_down(false);
    assert_eq!(user.get().await.unwrap(), before);
    assert_eq!(shop.carts().await, 1);
}

#[tokio::test]
async fn what_shows_no_prices_works_without_the_catalog() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 1).await.unwrap();
    let guest = shop.guest_with(2, 1).await;

    shop.catalog.set_down(true);
    assert_eq!(shop.user().lines().await, []);
    user.merge(&guest.guest_token).await.unwrap();
    assert_eq!(shop.snapshot(&user).await.lines.len(), 2);
    shop.clear_ordered(uuid::Uuid::now_v7(), &user, &[(1, 1)]).await;
    assert_eq!(lines(&user.remove(2).await.unwrap()), [], "nothing remains to be priced");
    user.clear().await.unwrap();
}

#[tokio::test]
async fn a_line_that_came_meanwhile_is_priced_too() {
    let shop = Shop::open().await;
    let user = shop.user();
    let mut held = shop.catalog.hold_next_call();
    let slow = tokio::spawn({
        let user = user.clone();
        async move { user.add(1, 1).await }
    });
    held.arrived().await;
    user.add(2, 1).await.unwrap();
    shop.catalog.take_calls();
    held.release();
    let cart = slow.await.unwrap().unwrap();
    assert_eq!(lines(&cart), [(2, 1), (1, 1)]);
    assert_eq!((cart.items[0].name.as_str(), cart.total_minor), ("Product 2", 300));
    assert_eq!(shop.catalog.take_calls(), 1, "once more, for the line that came meanwhile");
}

#[tokio::test]
async fn a_change_that_is_done_is_answered_even_if_the_catalog_goes_away_meanwhile() {
    let shop = Shop::open().await;
    let user = shop.user();
    let mut held = shop.catalog.hold_next_call();
    let slow = tokio::spawn({
        let user = user.clone();
        async move { user.add(1, 1).await }
    });
    held.arrived().await;
    user.add(2, 1).await.unwrap();
    shop.catalog.set_down(true);
    held.release();
    let cart = slow.await.unwrap().unwrap();
    assert_eq!(lines(&cart), [(2, 1), (1, 1)]);
    assert_eq!((cart.items[0].name.as_str(), cart.total_minor), ("", 300));
    shop.catalog.set_down(false);
    assert_eq!(user.lines().await, [(2, 1), (1, 1)]);
}

#[tokio::test]
async fn a_cart_waits_for_no_one_while_the_catalog_is_slow() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 1).await.unwrap();
    let mut held = shop.catalog.hold_next_call();
    let slow = tokio::spawn({
        let user = user.clone();
        async move { user.set(1, 9).await }
    });
    held.arrived().await;
    // The cart is not locked while the catalog is asked.
    user.remove(1).await.unwrap();
    held.release();
    assert_eq!(slow.await.unwrap().unwrap_err().code(), Code::NotFound);
    assert_eq!(user.lines().await, []);
}

#[tokio::test]
async fn a_guests_cart_that_ends_meanwhile_does_not_come_back() {
    let shop = Shop::open().await;
    let guest = shop.guest_with(1, 1).await;
    let user = shop.user();
    let mut held = shop.catalog.hold_next_call();
    let slow = tokio::spawn({
        let guest = guest.clone();
        async move { guest.add(1, 1).await }
    });
    held.arrived().await;
    user.merge(&guest.guest_token).await.unwrap();
    held.release();
    assert_eq!(refusal(slow.await.unwrap()), (Code::NotFound, "cart_not_found".into()));
    assert_eq!(user.lines().await, [(1, 1)]);
    assert_eq!(shop.carts().await, 1);
}

#[tokio::test]
async fn a_catalog_that_does_not_listen_is_unavailable() {
    let (_database, db) = database().await;
    let nobody = Transport::remote("catalog", "http://127.0.0.1:1".parse().unwrap(), &ServiceToken::random());
    let service = bodega_cart::start(db, nobody, CancellationToken::new()).await.unwrap();
    let mut client = CartServiceClient::new(Transport::unauthenticated(service.routes()));
    client.get_cart(GetCartRequest::default()).await.unwrap();
    let request = AddItemRequest { product_id: 1, quantity: 1, ..AddItemRequest::default() };
    assert_eq!(client.add_item(request).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_catalog_that_does_not_answer_keeps_nobody_waiting() {
    let shop = Shop::open().await;
    let user = shop.user();
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
        let _held = shop.catalog.hold_next_call();
        let started = Instant::now();
        let status = context().scope(call).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{name}");
        assert!(status.get_details_retry_info().is_some(), "{name}: {status:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "{name}: {:?}", started.elapsed());
    }
    assert_eq!(user.lines().await, [(1, 1), (2, 1)], "nothing has changed");
}

#[tokio::test]
async fn a_change_that_is_done_is_answered_even_if_the_catalog_is_slow_to_be_asked_again() {
    let shop = Shop::open().await;
    let user = shop.user();
    let mut held = shop.catalog.hold_next_call();
    let slow = tokio::spawn({
        let user = user.clone();
        async move { user.add(1, 1).await }
    });
    held.arrived().await;
    user.add(2, 1).await.unwrap();
    let _held_too = shop.catalog.hold_next_call();
    held.release();
    let cart = slow.await.unwrap().unwrap();
    assert_eq!(lines(&cart), [(2, 1), (1, 1)]);
    assert_eq!(cart.items[0].name, "");
}
