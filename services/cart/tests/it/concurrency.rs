//! Many hands in one cart.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use tonic::Code;

use crate::shop::{Shop, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_adds_at_once_add_up_exactly() {
    let shop = Shop::open().await;
    let user = shop.user();
    let guest = shop.guest_with(1, 1).await;
    // The user's cart is made by whoever comes first.
    for (shopper, before) in [(&user, 0), (&guest, 1)] {
        let added = join_all((0..50).map(|_| shopper.add(1, 1))).await;
        let versions: BTreeSet<_> = added.into_iter().map(|cart| cart.unwrap().version).collect();
        assert_eq!(versions.len(), 50, "every change has a version of its own");
        assert_eq!(shopper.lines().await, [(1, before + 50)]);
        assert_eq!(shopper.get().await.unwrap().version, i64::from(before) + 50);
    }
    assert_eq!(shop.carts().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_the_cart_at_its_version() {
    let shop = Shop::open().await;
    let user = shop.user();
    let added = join_all((1..=40).map(|product_id| user.add(product_id, 1))).await;
    for cart in added {
        let cart = cart.unwrap();
        // Each add brings one line and one version, so the answer tells how many came before it.
        assert_eq!(i64::try_from(cart.items.len()).unwrap(), cart.version);
        for item in cart.items {
            assert_eq!(item.name, format!("Product {}", item.product_id));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn adds_sets_and_removes_at_once_each_take_a_version() {
    let shop = Shop::open().await;
    let user = shop.user();
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
            Err(refused) => assert_eq!(refused.code(), Code::NotFound, "{refused}"),
        }
    }
    assert_eq!(user.get().await.unwrap().version, i64::try_from(versions.len()).unwrap());
    assert_eq!(versions.last().copied(), Some(user.get().await.unwrap().version));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_that_is_cleared_is_empty_at_that_version_whoever_adds() {
    let shop = Shop::open().await;
    let user = shop.user();
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
async fn a_line_never_exceeds_its_bound_however_many_add_to_it() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 9_990).await.unwrap();
    let added = join_all((0..20).map(|_| user.add(1, 1))).await;
    assert_eq!(added.iter().filter(|added| added.is_ok()).count(), 9);
    for refused in added.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(refused), (Code::InvalidArgument, "invalid_field".into()));
    }
    assert_eq!(user.lines().await, [(1, 9_999)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_never_exceeds_100_lines_however_many_add_to_it() {
    let shop = Shop::open().await;
    let user = shop.user();
    for product_id in 1..=95 {
        user.add(product_id, 1).await.unwrap();
    }
    let added = join_all((101..=120).map(|product_id| user.add(product_id, 1))).await;
    assert_eq!(added.iter().filter(|added| added.is_ok()).count(), 5);
    for refused in added.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(refused), (Code::FailedPrecondition, "cart_full".into()));
    }
    assert_eq!(user.lines().await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up_is_done_or_not_done() {
    let shop = Shop::open().await;
    let user = shop.user();
    let mut given_up = 0;
    for i in 0..150 {
        let patience = Duration::from_micros(i * 40);
        given_up += i32::from(tokio::time::timeout(patience, user.add(1, 1)).await.is_err());
    }
    assert!(given_up > 0);
    let cart = user.add(1, 1).await.unwrap();
    // Each add that was done brought one unit and one version.
    assert_eq!(cart.count, cart.version);
}
