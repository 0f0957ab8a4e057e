//! Concurrent changes of one cart.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use tonic::Code;
use uuid::Uuid;

use crate::test_app::{Replica, TestApp, lines, rejection};

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

/// The same database, with another service in another process.
async fn two_replicas() -> (TestApp, Replica) {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    (app, replica)
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_lose_no_add_and_return_the_cart_at_its_version() {
    let (app, replica) = two_replicas().await;
    let user = app.user();
    let same_user = replica.client_of(&user);
    // Each add creates one line and one version; both replicas create the cart.
    let adds = (1..=80).map(|product_id| {
        let client = if product_id % 2 == 0 { &user } else { &same_user };
        client.add(product_id, 1)
    });
    let mut versions = BTreeSet::new();
    for cart in join_all(adds).await {
        let cart = cart.unwrap();
        assert_eq!(i64::try_from(cart.items.len()).unwrap(), cart.version);
        assert!(versions.insert(cart.version), "{} was used twice", cart.version);
    }
    let cart = user.get().await.unwrap();
    assert_eq!((cart.items.len(), cart.count, cart.version), (80, 80, 80));
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_never_exceed_the_limits() {
    let (app, replica) = two_replicas().await;
    let user = app.user();
    let same_user = replica.client_of(&user);
    user.add(1, 9_990).await.unwrap();
    for product_id in 2..=95 {
        user.add(product_id, 1).await.unwrap();
    }
    let adds = (0..40).map(|i| {
        let client = if i % 2 == 0 { &user } else { &same_user };
        client.add(if i < 20 { 1 } else { 101 + i }, 1)
    });
    let mut succeeded = [0, 0];
    for (i, added) in join_all(adds).await.into_iter().enumerate() {
        match added {
            Ok(_) => succeeded[i / 20] += 1,
            Err(error) => {
                let reason = ["invalid_field", "cart_full"][i / 20];
                assert_eq!(rejection(Err::<(), _>(error)).1, reason);
            }
        }
    }
    assert_eq!(succeeded, [9, 5]);
    let cart = user.get().await.unwrap();
    assert_eq!((cart.items.len(), cart.items[0].quantity), (100, 9_999));
    assert_eq!(cart.version, 95 + 14, "a rejected add does not raise the version");
}

#[tokio::test(flavor = "multi_thread")]
async fn mixed_changes_on_replicas_return_the_cart_at_its_version() {
    let (app, replica) = two_replicas().await;
    let user = app.user();
    let same_user = replica.client_of(&user);
    user.add(1, 1).await.unwrap();
    let changes = join_all((0..90).map(|i| {
        let client = if i % 2 == 0 { user.clone() } else { same_user.clone() };
        async move {
            match i % 6 {
                0..=2 => client.add(1 + i % 4, 1).await,
                3 => client.set(1 + i % 4, 7).await,
                4 => client.remove(1 + i % 4).await,
                _ => client.clear().await,
            }
        }
    }))
    .await;
    let mut carts = BTreeMap::new();
    for change in changes {
        match change {
            Ok(cart) => assert!(carts.insert(cart.version, cart).is_none(), "a version was used twice"),
            Err(rejected) => assert_eq!(rejected.code(), Code::NotFound, "{rejected}"),
        }
    }
    let last = carts.last_key_value().unwrap();
    let versions: Vec<_> = carts.keys().copied().collect();
    assert_eq!(versions, (2..=*last.0).collect::<Vec<_>>(), "every version was returned");
    assert_eq!(user.get().await.unwrap(), *last.1);
    // Consecutive versions differ by one change of one line, or are empty.
    for (before, after) in carts.values().zip(carts.values().skip(1)) {
        let (before, after) = (lines(before), lines(after));
        let differences = after.iter().filter(|line| !before.contains(line)).count()
            + before.iter().filter(|(id, _)| !after.iter().any(|(other, _)| other == id)).count();
        assert!(after.is_empty() || differences <= 1, "{before:?} -> {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_cart_does_not_block_the_others() {
    let app = TestApp::start().await;
    let users: Vec<_> = (0..20).map(|_| app.user()).collect();
    for user in &users {
        user.add(1, 1).await.unwrap();
    }
    let mut transaction = app.db.begin().await.unwrap();
    sqlx::query("select from cart.carts where user_id = $1 for update")
        .bind(users[7].user_id)
        .execute(&mut *transaction)
        .await
        .unwrap();
    let started = Instant::now();
    let adds = users.iter().enumerate().map(|(i, user)| async move { (i, user.add(1, 1).await) });
    let mut adds: FuturesUnordered<_> = adds.collect();
    for _ in 0..19 {
        let (i, added) = adds.next().await.unwrap();
        assert_eq!((i == 7, added.unwrap().count), (false, 2));
    }
    assert!(started.elapsed() < Duration::from_millis(800), "{:?}", started.elapsed());
    transaction.rollback().await.unwrap();
    let (i, added) = adds.next().await.unwrap();
    assert_eq!((i, added.unwrap().count), (7, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_clears_of_different_users_are_independent() {
    let app = TestApp::start().await;
    let users: Vec<_> = (0..40).map(|_| app.user()).collect();
    for user in &users {
        user.add(1, 5).await.unwrap();
        user.add(2, 1).await.unwrap();
    }
    let snapshots = join_all(users.iter().map(|user| app.snapshot(user))).await;
    assert!(snapshots.iter().all(|snapshot| snapshot.version == 2 && snapshot.lines.len() == 2));
    join_all(users.iter().enumerate().map(async |(i, user)| {
        let ordered = [(1, i32::try_from(i % 5).unwrap() + 1), (2, 1)];
        app.clear_ordered(Uuid::now_v7(), user, &ordered).await;
    }))
    .await;
    for (i, user) in users.iter().enumerate() {
        let left = 4 - i32::try_from(i % 5).unwrap();
        let expected: &[_] = if left > 0 { &[(1, left)] } else { &[] };
        assert_eq!(user.lines().await, expected);
        assert_eq!(user.get().await.unwrap().version, 3);
    }
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
