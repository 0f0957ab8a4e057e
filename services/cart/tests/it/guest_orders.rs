//! Orders of guests, whose carts may be merged meanwhile.

use futures_util::future::{join, join_all};
use uuid::Uuid;

use crate::test_app::TestApp;

#[tokio::test]
async fn a_guests_cart_is_found_by_the_id_of_the_guest() {
    let app = TestApp::start().await;
    let (guest, other) = (app.guest_with(1, 3).await, app.guest_with(2, 1).await);
    let snapshot = app.snapshot(&guest).await;
    assert_eq!((snapshot.version, snapshot.lines.len()), (1, 1));
    assert_eq!((snapshot.lines[0].product_id, snapshot.lines[0].quantity), (1, 3));

    let order_id = Uuid::now_v7();
    for _ in 0..2 {
        app.clear_ordered(order_id, &guest, &[(1, 2)]).await;
    }
    assert_eq!(guest.lines().await, [(1, 1)]);
    assert_eq!(other.lines().await, [(2, 1)]);
}

#[tokio::test]
async fn an_unknown_guest_has_no_cart() {
    let app = TestApp::start().await;
    app.guest_with(1, 3).await;
    let unknown = app.guest(&"A".repeat(43));
    assert_eq!(app.snapshot(&unknown).await, Default::default());
}

#[tokio::test]
async fn orders_of_a_merged_guest_clear_the_cart_of_the_user() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 1).await.unwrap();
    assert_eq!(app.snapshot(&user).await.merged_guest_ids, [""; 0]);
    let guest = app.guest_with(1, 2).await;
    guest.add(5, 1).await.unwrap();
    user.merge(&guest.guest_token).await.unwrap();

    assert_eq!(app.snapshot(&guest).await, Default::default(), "nothing is left to order");
    assert_eq!(app.snapshot(&user).await.merged_guest_ids, [guest.id().to_string()]);
    let order_id = Uuid::now_v7();
    for _ in 0..2 {
        app.clear_ordered(order_id, &guest, &[(1, 2), (5, 1)]).await;
    }
    assert_eq!(user.lines().await, [(1, 1)]);

    let second = app.guest_with(1, 1).await;
    user.merge(&second.guest_token).await.unwrap();
    let mut merged = [guest.id().to_string(), second.id().to_string()];
    merged.sort_unstable();
    assert_eq!(app.snapshot(&user).await.merged_guest_ids, merged);
    assert_eq!(app.snapshot(&app.user()).await.merged_guest_ids, [""; 0]);
}

/// The merge and the order run in any order: the units are removed once, wherever they are.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_cleared_once_while_the_cart_is_merged() {
    let app = TestApp::start().await;
    for round in 0..30 {
        let user = app.user();
        user.add(1, 1).await.unwrap();
        let guest = app.guest_with(1, 2).await;
        guest.add(2, 1).await.unwrap();
        let order_id = Uuid::now_v7();
        let clears = join_all((0..2).map(|_| app.clear_ordered(order_id, &guest, &[(1, 2), (2, 1)])));
        let others = async {
            user.add(3, 1).await.unwrap();
            app.clear_ordered(Uuid::now_v7(), &user, &[(1, 1)]).await;
        };
        let merge = async { user.merge(&guest.guest_token).await.unwrap() };
        join(join(clears, merge), others).await;
        assert_eq!(user.lines().await, [(3, 1)], "round {round}");
    }
}
