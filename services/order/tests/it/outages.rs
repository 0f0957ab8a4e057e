//! Outages of cart, catalog and database, and recovery after them.

use std::time::Duration;

use bodega_proto::order::v1::OrderStatus;
use tonic::Code;

use crate::{
    faults::Fault,
    test_app::{HAT, MUG, MUG_PRICE, PEN, TestApp, error_reason, lines},
};

#[tokio::test]
async fn an_unavailable_cart_leaves_no_checkout() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.cart.faults().always("GetSnapshot", Fault::Down);
    assert_eq!(app.place(user, "key").await.unwrap_err().code(), Code::Unavailable);
    app.cart.faults().clear();
    app.assert_consistent().await;
    assert_eq!(app.orders_of(user).await, 0);
    app.place(user, "key").await.unwrap();
}

#[tokio::test]
async fn a_checkout_during_a_catalog_outage_is_completed_afterwards() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().always("Reserve", Fault::Down);
    assert_eq!(app.place(user, "key").await.unwrap_err().code(), Code::Unavailable);
    app.catalog.faults().clear();
    app.assert_consistent().await;
    assert_eq!(app.orders_of(user).await, 1);
    let order = app.place(user, "key").await.unwrap();
    assert_eq!(order.status(), OrderStatus::Pending);
    assert_eq!(app.catalog.available(MUG), 999);
}

#[tokio::test]
async fn a_retry_completes_the_first_call() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().once("Reserve", Fault::ResponseLost);
    assert_eq!(app.place(user, "").await.unwrap_err().code(), Code::Unavailable);
    // Without a key, the cart's version identifies the checkout.
    let order = app.place(user, "").await.unwrap();
    assert_eq!(lines(&order), [(MUG, 1)]);
    assert_eq!(app.orders_of(user).await, 1);
    assert_eq!(app.catalog.available(MUG), 999);
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_late_reservation_of_a_rejected_checkout_is_released() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(HAT, 1)]);
    // The first reservation arrives after the second one was rejected, and after the hats were restocked.
    app.catalog.faults().once("Reserve", Fault::Late(Duration::from_secs(2)));
    assert_eq!(app.place(user, "key").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(error_reason(app.place(user, "key").await), "out_of_stock");
    app.catalog.add_stock(HAT, "Hat", 3000, 1);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(app.catalog.available(HAT), 1);
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_changed_price_is_rejected_even_if_the_release_fails() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    for fault in [Fault::Down, Fault::ResponseLost, Fault::Slow(Duration::from_secs(2))] {
        app.catalog.faults().once("Release", fault);
        assert_eq!(error_reason(app.place_expecting(user, "", MUG_PRICE + 1).await), "price_changed");
        app.assert_consistent().await;
        assert_eq!(app.catalog.available(MUG), 1000);
    }
}

#[tokio::test]
async fn an_order_is_placed_although_the_cart_cannot_be_cleared() {
    let app = TestApp::start().await;
    for fault in [
        Fault::Down,
        Fault::ResponseLost,
        Fault::Slow(Duration::from_secs(2)),
        Fault::Rejected(Code::Internal),
    ] {
        let user = app.user_with_cart(&[(MUG, 1)]);
        app.cart.faults().once("ClearOrdered", fault);
        let order = app.place(user, "").await.unwrap();
        assert_eq!(order.status(), OrderStatus::Pending);
        app.add_to_cart(user, &[(MUG, 2), (PEN, 1)]);
        app.assert_consistent().await;
        assert_eq!(app.cart.lines_of(user), [(MUG, 2), (PEN, 1)].into(), "newer lines stay");
    }
}

#[tokio::test]
async fn an_uncleared_cart_gives_the_same_order_for_another_key() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.cart.faults().always("ClearOrdered", Fault::Down);
    let first = app.place(user, "one").await.unwrap();
    let second = app.place(user, "two").await.unwrap();
    assert_eq!(first, second);
    app.cart.faults().clear();
    app.assert_consistent().await;
    assert_eq!(
        app.place(user, "two").await.unwrap().id,
        first.id,
        "the second key is recorded for the same order"
    );
}

#[tokio::test]
async fn lines_of_an_uncleared_cart_are_not_ordered_again() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.cart.faults().always("ClearOrdered", Fault::Down);
    app.place(user, "").await.unwrap();
    app.add_to_cart(user, &[(MUG, 1), (PEN, 1)]);
    let status = app.place(user, "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "the lines of the first order are still in the cart");
    app.cart.faults().clear();
    let second = app.place(user, "").await.unwrap();
    assert_eq!(lines(&second), [(MUG, 1), (PEN, 1)]);
    assert_eq!(app.catalog.available(MUG), 998);
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_pending_checkout_is_completed_before_the_changed_cart() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().once("Reserve", Fault::Down);
    app.place(user, "one").await.unwrap_err();
    app.add_to_cart(user, &[(PEN, 1)]);
    let second = app.place(user, "two").await.unwrap();
    assert_eq!(lines(&second), [(PEN, 1)]);
    assert_eq!(lines(&app.place(user, "one").await.unwrap()), [(MUG, 1)]);
    app.assert_consistent().await;
}

#[tokio::test]
async fn stock_of_a_rejected_checkout_is_released_before_the_next_one() {
    let app = TestApp::start().await;
    app.catalog.add_stock(HAT, "Hat", 3000, 1);
    let user = app.user_with_cart(&[(HAT, 1)]);
    app.catalog.faults().once("Release", Fault::Down);
    assert_eq!(error_reason(app.place_expecting(user, "", 1).await), "price_changed");
    assert_eq!(app.catalog.available(HAT), 0);
    app.place_expecting(user, "", 3000).await.unwrap();
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_checkout_is_withdrawn_after_repeated_catalog_faults() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().once("Reserve", Fault::Rejected(Code::Internal));
    let status = app.place(user, "one").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    app.assert_consistent().await;
    app.place(user, "one").await.unwrap();

    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().always("Reserve", Fault::Rejected(Code::Internal));
    app.place(user, "two").await.unwrap_err();
    // Longer than `assert_consistent` waits: the catalog keeps failing until the checkout is withdrawn.
    tokio::time::timeout(Duration::from_secs(20), async {
        while app.catalog.calls().1 == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(error_reason(app.place(user, "two").await), "order_withdrawn");
    app.catalog.faults().clear();
    app.assert_consistent().await;
    assert_eq!(app.orders_of(user).await, 0);
}

#[tokio::test]
async fn an_expired_checkout_is_withdrawn() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().always("Reserve", Fault::ResponseLost);
    app.place(user, "key").await.unwrap_err();
    assert_eq!(app.catalog.available(MUG), 999);
    sqlx::query("update orders.orders set created_at = now() - interval '16 minutes'")
        .execute(&app.db)
        .await
        .unwrap();
    app.assert_consistent().await;
    assert_eq!(app.orders_of(user).await, 0);
    assert_eq!(app.catalog.available(MUG), 1000);
    assert_eq!(error_reason(app.place(user, "key").await), "order_withdrawn");
    app.catalog.faults().clear();
    app.place(user, "").await.unwrap();
}

#[tokio::test]
async fn calls_during_an_outage_fail_fast() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().always("Reserve", Fault::Down);
    let started = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(app.place(user, "key").await.unwrap_err().code(), Code::Unavailable);
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    app.catalog.faults().clear();
    app.place(user, "key").await.unwrap();
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_lost_database_connection_counts_as_unavailable() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let mut transaction = app.db.begin().await.unwrap();
    sqlx::query("select from orders.orders for update").execute(&mut *transaction).await.unwrap();
    let end = async {
        let query = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                     where application_name = 'bodega-order' and datname = current_database()
                       and wait_event_type = 'Lock'";
        let started = std::time::Instant::now();
        while sqlx::query_scalar::<_, i64>(query).fetch_one(&app.db).await.unwrap() == 0 {
            assert!(started.elapsed() < Duration::from_secs(10), "no statement waits for the lock");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let (result, ()) = tokio::join!(app.update_status(&order.id, OrderStatus::Confirmed), end);
    assert_eq!(result.unwrap_err().code(), Code::Unavailable);
    transaction.rollback().await.unwrap();
    app.update_status(&order.id, OrderStatus::Confirmed).await.unwrap();
}

#[tokio::test]
async fn a_rejected_delivery_is_kept_and_blocks_no_later_order() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.cart.faults().always("ClearOrdered", Fault::Rejected(Code::InvalidArgument));
    let first = app.place(user, "one").await.unwrap();
    let (_, deliveries) = app.cart.calls();
    app.add_to_cart(user, &[(PEN, 1)]);
    let second = app.place(user, "two").await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(app.place(user, "one").await.unwrap().id, first.id);

    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(app.cart.calls().1, deliveries, "the delivery is not retried");
    let kept: Vec<(String, bool)> = sqlx::query_as("select kind, rejection is not null from orders.outbox")
        .fetch_all(&app.db)
        .await
        .unwrap();
    assert_eq!(kept, vec![("clear_cart".to_owned(), true); 2], "kept for an operator");
}
