//! A login merges the cart of a guest while the guest orders it: no line is ordered twice.

use std::{collections::BTreeMap, time::Duration};

use bodega_embedded_postgres::testing::statements::count;
use uuid::Uuid;

use crate::{
    faults::Fault,
    guests::Guest,
    races::seeds,
    test_app::{MUG, PEN, TestApp, error_reason, lines},
};

#[tokio::test]
async fn the_checkout_of_a_merged_cart_takes_no_more_statements() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(PEN, 1)]);
    for _ in 0..2 {
        let guest = app.guest_with_cart(&[(MUG, 1)]);
        app.cart.merge(guest.id(), user);
        let (order, statements) = count(app.place(user, "")).await;
        order.unwrap();
        assert!((1..=4).contains(&statements), "{statements} statements");
        app.add_to_cart(user, &[(PEN, 1)]);
        let (order, statements) = count(app.place(user, "")).await;
        order.unwrap();
        assert!((1..=4).contains(&statements), "the guest is known, and it is {statements} statements");
    }
    let guest = app.guest_with_cart(&[(MUG, 1)]);
    let (order, statements) = count(app.place_as_guest(&guest, "key")).await;
    order.unwrap();
    assert!((1..=4).contains(&statements), "{statements} statements");
}

#[tokio::test]
async fn an_order_of_the_guest_is_completed_before_the_users() {
    let app = TestApp::start().await;
    let (guest, user) = (app.guest_with_cart(&[(MUG, 1)]), app.user_with_cart(&[(PEN, 1)]));
    app.catalog.faults().once("Reserve", Fault::Down);
    assert!(app.place_as_guest(&guest, "").await.is_err(), "the checkout is not completed");
    app.cart.merge(guest.id(), user);
    let order = app.place(user, "").await.unwrap();
    assert_eq!(lines(&order), [(PEN, 1)]);
    assert_eq!((app.orders_of(guest.id()).await, app.catalog.available(MUG)), (1, 999));
    assert!(app.cart.lines_of(user).is_empty());
}

#[tokio::test]
async fn the_cart_is_cleared_of_the_guests_order_before_the_users() {
    let app = TestApp::start().await;
    let (guest, user) = (app.guest_with_cart(&[(MUG, 1)]), app.user_with_cart(&[(PEN, 1)]));
    app.cart.faults().once("ClearOrdered", Fault::Down);
    app.place_as_guest(&guest, "").await.unwrap();
    app.cart.merge(guest.id(), user);
    let order = app.place(user, "").await.unwrap();
    assert_eq!(lines(&order), [(PEN, 1)]);
    assert_eq!(error_reason(app.place(user, "").await), "empty_cart");
}

/// The guest's call has read the cart before the merge, and starts its checkout after the user's.
#[tokio::test]
async fn a_late_checkout_of_the_guest_does_not_start() {
    let app = TestApp::start().await;
    let (guest, user) = (app.guest_with_cart(&[(MUG, 1)]), Uuid::now_v7());
    app.cart.faults().once("GetSnapshot", Fault::SlowResponse(Duration::from_millis(700)));
    let late = app.place_as_guest(&guest, "");
    let first = async {
        app.cart.faults().all_triggered("GetSnapshot").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.cart.merge(guest.id(), user);
        app.place(user, "").await
    };
    let (late, first) = tokio::join!(late, first);
    assert_eq!(lines(&first.unwrap()), [(MUG, 1)]);
    assert_eq!(error_reason(late), "cart_not_found");
    assert_eq!((app.orders_of(guest.id()).await, app.catalog.available(MUG)), (0, 999));
}

/// The guest's checkout starts after the user's call has read the merged cart.
#[tokio::test]
async fn a_checkout_of_the_user_does_not_start_after_a_late_one_of_the_guest() {
    let app = TestApp::start().await;
    let (guest, user) = (app.guest_with_cart(&[(MUG, 1)]), app.user_with_cart(&[(PEN, 1)]));
    app.cart.faults().once("GetSnapshot", Fault::SlowResponse(Duration::from_millis(300)));
    let of_guest = app.place_as_guest(&guest, "");
    let of_user = async {
        app.cart.faults().all_triggered("GetSnapshot").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.cart.faults().once("GetSnapshot", Fault::SlowResponse(Duration::from_millis(1000)));
        app.cart.merge(guest.id(), user);
        app.place(user, "").await
    };
    let (of_guest, of_user) = tokio::join!(of_guest, of_user);
    assert_eq!(lines(&of_guest.unwrap().order), [(MUG, 1)]);
    assert_eq!(lines(&of_user.unwrap()), [(PEN, 1)]);
    assert_eq!(app.catalog.available(MUG), 999);
}

/// `BODEGA_RACE_SEEDS=200` runs more of them.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_orders_and_merges_order_each_unit_once() {
    let app = TestApp::start().await;
    let other = app.replica().await;
    for round in seeds() {
        let (guest, user) = (app.guest_with_cart(&[(MUG, 2), (PEN, 1)]), app.user_with_cart(&[(MUG, 1)]));
        let pause = |factor: u64| Duration::from_micros(round * factor % 40 * 500);
        let by_guest = async {
            tokio::time::sleep(pause(7)).await;
            tokio::join!(app.place_as_guest(&guest, "key"), app.place_as_guest(&guest, ""))
        };
        let by_user = async {
            tokio::time::sleep(pause(11)).await;
            let first = app.place(user, "first").await;
            (first, app.place(user, "").await)
        };
        let by_replica = async {
            tokio::time::sleep(pause(13)).await;
            crate::test_app::place(other.client(user, bodega_runtime::auth::Role::User), "", None).await
        };
        let merge = async {
            tokio::time::sleep(pause(17)).await;
            app.cart.merge(guest.id(), user);
        };
        let results = tokio::join!(by_guest, by_user, by_replica, merge);
        let _ = app.place(user, "").await;
        assert_ordered_once(&app, &guest, user, round).await;
        drop(results);
    }
    other.kill().await;
}

/// Checks that what was ordered and what is left is what the guest and the user have added.
async fn assert_ordered_once(app: &TestApp, guest: &Guest, user: Uuid, round: u64) {
    let ordered: Vec<(i32, i64)> = sqlx::query_as(
        "select i.product_id, sum(i.quantity) from orders.orders o join orders.order_items i on i.order_id = o.id
         where o.user_id in ($1, $2) and o.placed_at is not null group by i.product_id",
    )
    .bind(guest.id())
    .bind(user)
    .fetch_all(&app.db)
    .await
    .unwrap();
    let mut units: BTreeMap<_, _> = ordered.into_iter().collect();
    for (product, quantity) in app.cart.lines_of(user).into_iter().chain(app.cart.lines_of(guest.id())) {
        *units.entry(product).or_default() += i64::from(quantity);
    }
    assert_eq!(units, BTreeMap::from([(MUG, 3), (PEN, 1)]), "round {round}");
}
