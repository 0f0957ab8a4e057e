//! Merging a guest's cart at login.

use futures_util::future::join_all;
use tonic::Code;

use crate::test_app::{TestApp, rejection};

#[tokio::test]
async fn adds_quantities_and_deletes_the_guests_cart() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 2).await.unwrap();
    let guest = app.guest_with(1, 3).await;
    guest.add(5, 1).await.unwrap();
    user.merge(&guest.guest_token).await.unwrap();
    let cart = user.get().await.unwrap();
    assert_eq!(user.lines().await, [(1, 5), (5, 1)]);
    assert_eq!(cart.version, 2);
    assert_eq!(rejection(guest.get().await), (Code::NotFound, "cart_not_found".into()));
    assert_eq!(rejection(guest.add(1, 1).await), (Code::NotFound, "cart_not_found".into()));
    assert_eq!(app.cart_count().await, 1);
}

#[tokio::test]
async fn a_user_without_a_cart_gets_the_guests_lines() {
    let app = TestApp::start().await;
    let user = app.user();
    let guest = app.guest_with(1, 3).await;
    user.merge(&guest.guest_token).await.unwrap();
    assert_eq!(user.lines().await, [(1, 3)]);
}

#[tokio::test]
async fn requires_a_user() {
    let app = TestApp::start().await;
    let guest = app.guest_with(1, 3).await;
    let outcome = app.guest("").merge(&guest.guest_token).await;
    assert_eq!(rejection(outcome), (Code::Unauthenticated, "unauthenticated".into()));
    assert_eq!(guest.lines().await, [(1, 3)]);
}

#[tokio::test]
async fn an_unknown_or_expired_token_changes_nothing() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 1).await.unwrap();
    let guest = app.guest_with(1, 1).await;
    user.merge(&guest.guest_token).await.unwrap();
    let merged = user.get().await.unwrap();
    for token in [&guest.guest_token, "", "x", "\0", &"A".repeat(43)] {
        user.merge(token).await.unwrap();
    }
    assert_eq!(user.get().await.unwrap(), merged);
}

#[tokio::test]
async fn limits_a_merged_line_to_9999_units() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 9_000).await.unwrap();
    let guest = app.guest_with(1, 9_000).await;
    user.merge(&guest.guest_token).await.unwrap();
    assert_eq!(user.lines().await, [(1, 9_999)]);
}

#[tokio::test]
async fn drops_the_guests_newest_lines_beyond_100() {
    let app = TestApp::start().await;
    let user = app.user();
    for product_id in 1..=98 {
        user.add(product_id, 1).await.unwrap();
    }
    // Two of the three new lines fit. The other lines are added to lines that the user already has.
    let guest = app.guest_with(202, 1).await;
    for product_id in [201, 200, 98, 1] {
        guest.add(product_id, 1).await.unwrap();
    }
    user.merge(&guest.guest_token).await.unwrap();
    let lines = user.lines().await;
    assert_eq!(lines.len(), 100);
    assert_eq!(lines[98..], [(202, 1), (201, 1)]);
    assert_eq!((lines[0], lines[97]), ((1, 2), (98, 2)));
    assert_eq!(app.cart_count().await, 1);
}

#[tokio::test]
async fn merging_into_a_full_cart_adds_to_existing_lines() {
    let app = TestApp::start().await;
    let user = app.user();
    for product_id in 1..=100 {
        user.add(product_id, 1).await.unwrap();
    }
    let guest = app.guest_with(200, 1).await;
    guest.add(50, 4).await.unwrap();
    user.merge(&guest.guest_token).await.unwrap();
    let lines = user.lines().await;
    assert_eq!((lines.len(), lines[49]), (100, (50, 5)));
}

#[tokio::test]
async fn a_merged_line_has_the_guests_quoted_price() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 1).await.unwrap();
    app.catalog.edit(1, |product| product.price_minor = 55);
    let guest = app.guest_with(1, 1).await;
    user.merge(&guest.guest_token).await.unwrap();
    assert_eq!(app.snapshot(&user).await.lines[0].quoted_price_minor, 55);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_merges_count_once() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 1).await.unwrap();
    let guest = app.guest_with(1, 2).await;
    let merges = join_all((0..20).map(|_| user.merge(&guest.guest_token))).await;
    assert!(merges.iter().all(Result::is_ok), "{merges:?}");
    assert_eq!(user.lines().await, [(1, 3)]);
    assert_eq!(user.get().await.unwrap().version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_concurrent_users_gets_the_guests_cart() {
    let app = TestApp::start().await;
    for _ in 0..10 {
        let guest = app.guest_with(1, 2).await;
        let users: Vec<_> = (0..10).map(|_| app.user()).collect();
        let merges = join_all(users.iter().map(|user| user.merge(&guest.guest_token))).await;
        assert!(merges.iter().all(Result::is_ok), "{merges:?}");
        let carts = join_all(users.iter().map(|user| user.lines())).await;
        assert_eq!(carts.concat(), [(1, 2)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_merges_and_adds_lose_nothing_and_do_not_deadlock() {
    let app = TestApp::start().await;
    let user = app.user();
    let guests = join_all((0..10).map(|_| app.guest_with(1, 1))).await;
    let work = guests.iter().map(|guest| async {
        let (merged, added_by_guest, added_by_user) =
            tokio::join!(user.merge(&guest.guest_token), guest.add(1, 1), user.add(1, 1));
        merged.unwrap();
        added_by_user.unwrap();
        match added_by_guest {
            Ok(_) => 1,
            Err(error) => {
                assert_eq!(error.code(), Code::NotFound, "{error}");
                0
            }
        }
    });
    let added_in_time: i32 = join_all(work).await.into_iter().sum();
    // The ten guests' first adds, ten of the user, and those of the guests before their merge.
    assert_eq!(user.lines().await, [(1, 20 + added_in_time)]);
    assert_eq!(app.cart_count().await, 1);
}
