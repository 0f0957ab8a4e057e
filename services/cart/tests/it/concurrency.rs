//! Concurrent changes of one cart.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use tonic::Code;

use crate::test_app::{TestApp, rejection};

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_adds_add_up() {
    let app = TestApp::start().await;
    let user = app.user();
    let guest = app.guest_with(1, 1).await;
    // The first add creates the user's cart.
    for (client, before) in [(&user, 0), (&guest, 1)] {
        let added = join_all((0..50).map(|_| client.add(1, 1))).await;
        let versions: BTreeSet<_> = added.into_iter().map(|cart| cart.unwrap().version).collect();
        assert_eq!(versions.len(), 50, "every change has its own version");
        assert_eq!(client.lines().await, [(1, before + 50)]);
        assert_eq!(client.get().await.unwrap().version, i64::from(before) + 50);
    }
    assert_eq!(app.cart_count().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_response_is_the_cart_at_its_version() {
    let app = TestApp::start().await;
    let user = app.user();
    let added = join_all((1..=40).map(|product_id| user.add(product_id, 1))).await;
    for cart in added {
        let cart = cart.unwrap();
        // Each add creates one line and one version, so the version is the number of lines.
        assert_eq!(i64::try_from(cart.items.len()).unwrap(), cart.version);
        for item in cart.items {
            assert_eq!(item.name, format!("Product {}", item.product_id));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_each_have_a_version() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 1).await.unwrap();
    let changes = join_all((0..60).map(|i| {
        let user = user.clone();
        async move {
            match i % 3 {
                0 => user.add(1, 1).await,
                1 => user.set(1, 7).await,
                _ => user.remove(1).await,
            }
        }
    }))
    .await;
    let mut versions = BTreeSet::from([1]);
    for change in changes {
        match change {
            Ok(cart) => assert!(versions.insert(cart.version), "{} was used twice", cart.version),
            Err(rejected) => assert_eq!(rejected.code(), Code::NotFound, "{rejected}"),
        }
    }
    assert_eq!(user.get().await.unwrap().version, i64::try_from(versions.len()).unwrap());
    assert_eq!(versions.last().copied(), Some(user.get().await.unwrap().version));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleared_cart_is_empty_at_its_version_despite_concurrent_adds() {
    let app = TestApp::start().await;
    let user = app.user();
    for _ in 0..5 {
        let adds = join_all((1..=10).map(|product_id| user.add(product_id, 1)));
        let (added, cleared) = tokio::join!(adds, user.clear());
        let cleared = cleared.unwrap().version;
        let after = added.into_iter().filter(|cart| cart.as_ref().unwrap().version > cleared).count();
        assert_eq!(user.lines().await.len(), after);
        user.clear().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_adds_never_exceed_the_quantity_limit() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 9_990).await.unwrap();
    let added = join_all((0..20).map(|_| user.add(1, 1))).await;
    assert_eq!(added.iter().filter(|added| added.is_ok()).count(), 9);
    for rejected in added.into_iter().filter(Result::is_err) {
        assert_eq!(rejection(rejected), (Code::InvalidArgument, "invalid_field".into()));
    }
    assert_eq!(user.lines().await, [(1, 9_999)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_adds_never_exceed_100_lines() {
    let app = TestApp::start().await;
    let user = app.user();
    for product_id in 1..=95 {
        user.add(product_id, 1).await.unwrap();
    }
    let added = join_all((101..=120).map(|product_id| user.add(product_id, 1))).await;
    assert_eq!(added.iter().filter(|added| added.is_ok()).count(), 5);
    for rejected in added.into_iter().filter(Result::is_err) {
        assert_eq!(rejection(rejected), (Code::FailedPrecondition, "cart_full".into()));
    }
    assert_eq!(user.lines().await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_takes_effect_completely_or_not_at_all() {
    let app = TestApp::start().await;
    let user = app.user();
    let mut timed_out = 0;
    for i in 0..150 {
        let timeout = Duration::from_micros(i * 40);
        timed_out += i32::from(tokio::time::timeout(timeout, user.add(1, 1)).await.is_err());
    }
    assert!(timed_out > 0);
    let cart = user.add(1, 1).await.unwrap();
    // Each completed add adds one unit and one version.
    assert_eq!(cart.count, cart.version);
}
