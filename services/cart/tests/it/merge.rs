//! A guest signs in.

use futures_util::future::join_all;
use tonic::Code;

use crate::shop::{Shop, refusal};

#[tokio::test]
async fn a_merge_adds_quantities_up_and_ends_the_guests_cart() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 2).await.unwrap();
    let guest = shop.guest_with(1, 3).await;
    guest.add(5, 1).await.unwrap();
    user.merge(&guest.guest_token).await.unwrap();
    let cart = user.get().await.unwrap();
    assert_eq!(user.lines().await, [(1, 5), (5, 1)]);
    assert_eq!(cart.version, 2);
    assert_eq!(refusal(guest.get().await), (Code::NotFound, "cart_not_found".into()));
    assert_eq!(refusal(guest.add(1, 1).await), (Code::NotFound, "cart_not_found".into()));
    assert_eq!(shop.carts().await, 1);
}

#[tokio::test]
async fn a_user_without_a_cart_gets_the_guests() {
    let shop = Shop::open().await;
    let user = shop.user();
    let guest = shop.guest_with(1, 3).await;
    user.merge(&guest.guest_token).await.unwrap();
    assert_eq!(user.lines().await, [(1, 3)]);
}

#[tokio::test]
async fn a_merge_needs_a_user() {
    let shop = Shop::open().await;
    let guest = shop.guest_with(1, 3).await;
    let outcome = shop.guest("").merge(&guest.guest_token).await;
    assert_eq!(refusal(outcome), (Code::Unauthenticated, "unauthenticated".into()));
    assert_eq!(guest.lines().await, [(1, 3)]);
}

#[tokio::test]
async fn a_token_that_is_unknown_or_has_ended_changes_nothing() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 1).await.unwrap();
    let guest = shop.guest_with(1, 1).await;
    user.merge(&guest.guest_token).await.unwrap();
    let merged = user.get().await.unwrap();
    for token in [&guest.guest_token, "", "x", "\0", &"A".repeat(43)] {
        user.merge(token).await.unwrap();
    }
    assert_eq!(user.get().await.unwrap(), merged);
}

#[tokio::test]
async fn a_merged_line_stops_at_9999_units() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 9_000).await.unwrap();
    let guest = shop.guest_with(1, 9_000).await;
    user.merge(&guest.guest_token).await.unwrap();
    assert_eq!(user.lines().await, [(1, 9_999)]);
}

#[tokio::test]
async fn a_merge_beyond_100_lines_drops_the_guests_newest() {
    let shop = Shop::open().await;
    let user = shop.user();
    for product_id in 1..=98 {
        user.add(product_id, 1).await.unwrap();
    }
    // One line that there is no room for, though it came before some that take none.
    let guest = shop.guest_with(202, 1).await;
    for product_id in [201, 200, 98, 1] {
        guest.add(product_id, 1).await.unwrap();
    }
    user.merge(&guest.guest_token).await.unwrap();
    let lines = user.lines().await;
    assert_eq!(lines.len(), 100);
    assert_eq!(lines[98..], [(202, 1), (201, 1)]);
    assert_eq!((lines[0], lines[97]), ((1, 2), (98, 2)));
    assert_eq!(shop.carts().await, 1);
}

#[tokio::test]
async fn a_merge_into_a_full_cart_still_adds_to_its_lines() {
    let shop = Shop::open().await;
    let user = shop.user();
    for product_id in 1..=100 {
        user.add(product_id, 1).await.unwrap();
    }
    let guest = shop.guest_with(200, 1).await;
    guest.add(50, 4).await.unwrap();
    user.merge(&guest.guest_token).await.unwrap();
    let lines = user.lines().await;
    assert_eq!((lines.len(), lines[49]), (100, (50, 5)));
}

#[tokio::test]
async fn a_merged_line_remembers_the_price_that_the_guest_saw() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 1).await.unwrap();
    shop.catalog.edit(1, |product| product.price_minor = 55);
    let guest = shop.guest_with(1, 1).await;
    user.merge(&guest.guest_token).await.unwrap();
    assert_eq!(shop.snapshot(&user).await.lines[0].quoted_price_minor, 55);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_merges_at_once_count_once() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 1).await.unwrap();
    let guest = shop.guest_with(1, 2).await;
    let merges = join_all((0..20).map(|_| user.merge(&guest.guest_token))).await;
    assert!(merges.iter().all(Result::is_ok), "{merges:?}");
    assert_eq!(user.lines().await, [(1, 3)]);
    assert_eq!(user.get().await.unwrap().version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_users_who_merge_one_guests_cart_exactly_one_gets_it() {
    let shop = Shop::open().await;
    for _ in 0..10 {
        let guest = shop.guest_with(1, 2).await;
        let users: Vec<_> = (0..10).map(|_| shop.user()).collect();
        let merges = join_all(users.iter().map(|user| user.merge(&guest.guest_token))).await;
        assert!(merges.iter().all(Result::is_ok), "{merges:?}");
        let carts = join_all(users.iter().map(|user| user.lines())).await;
        assert_eq!(carts.concat(), [(1, 2)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn merges_and_adds_at_once_lose_nothing_and_never_deadlock() {
    let shop = Shop::open().await;
    let user = shop.user();
    let guests = join_all((0..10).map(|_| shop.guest_with(1, 1))).await;
    let work = guests.iter().map(|guest| async {
        let (merged, added_by_guest, added_by_user) =
            tokio::join!(user.merge(&guest.guest_token), guest.add(1, 1), user.add(1, 1));
        merged.unwrap();
        added_by_user.unwrap();
        match added_by_guest {
            Ok(_) => 1,
            Err(ended) => {
                assert_eq!(ended.code(), Code::NotFound, "{ended}");
                0
            }
        }
    });
    let added_in_time: i32 = join_all(work).await.into_iter().sum();
    // Ten first adds, ten of the user, and those of guests that came before their merge.
    assert_eq!(user.lines().await, [(1, 20 + added_in_time)]);
    assert_eq!(shop.carts().await, 1);
}
