//! Refunds.

use std::time::Duration;

use bodega_proto::order::v1::{
    OrderStatus::{Cancelled, Paid},
    PaymentStatus::{Completed, RefundPending, Refunded, RequiresPayment},
};
use bodega_stripe_double::{Card, Fault, IntentStatus, Operation, Outcome, RefundStatus};
use futures_util::future::join_all;
use serde_json::json;

use super::{StripeApp, payment_of, payment_statuses, with_values};
use crate::test_app::{MUG, MUG_PRICE};

/// Work is completed within this time once its upstreams are available.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_is_refunded_once_by_concurrent_cancellations() {
    let app = StripeApp::start().await;
    for _ in 0..5 {
        let order = app.new_order(&[(MUG, 1)]).await;
        let owner = order.user_id.parse().unwrap();
        let intent = app.create_intent(&order).await.unwrap();
        app.stripe.pause_deliveries();
        app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
        // The event that pays the order arrives while it is cancelled.
        let cancels = join_all((0..50).map(|_| app.cancel(owner, &order.id)));
        let (cancelled, ()) = tokio::join!(cancels, async { app.stripe.flush_deliveries() });
        assert!(cancelled.iter().all(Result::is_ok), "{cancelled:?}");

        let order = app.wait_for(&order, Cancelled, Refunded, SOON).await;
        assert_eq!(payment_statuses(&order), [RequiresPayment, Completed, RefundPending, Refunded]);
        let refunds = app.stripe.refunds_of(&order.id);
        assert_eq!((refunds.len(), refunds[0].amount), (1, MUG_PRICE));
    }
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_payment_of_a_cancelled_order_is_refunded() {
    let app = StripeApp::start().await;
    app.stripe.pause_deliveries();
    let order = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    app.stripe.confirm(&intent.client_secret, Card::Slow).await.unwrap();
    app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    app.stripe.settle_intent(&intent.id, Outcome::Succeeds);
    app.stripe.flush_deliveries();
    app.wait_for(&order, Cancelled, Refunded, SOON).await;
    assert_eq!(app.stripe.total_refunded(), MUG_PRICE);
    app.assert_consistent().await;
}

#[tokio::test]
async fn cancelling_an_order_cancels_its_intent() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    let status = app.stripe.intent(&intent.id).unwrap().status;
    assert_eq!(status, IntentStatus::Canceled, "when the call returns");
    assert_eq!(app.catalog.available(MUG), 1000);
    app.assert_consistent().await;
}

#[tokio::test]
async fn an_offline_payment_cancels_or_refunds_the_card_payment() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    let paid = app.update_status(&order.id, Paid).await.unwrap();
    assert_eq!((payment_of(&paid), paid.payment.unwrap().provider.as_str()), (Completed, "offline"));
    assert_eq!(app.stripe.intent(&intent.id).unwrap().status, IntentStatus::Canceled);

    // If the customer paid first, the card payment is refunded.
    let order = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    app.stripe.pause_deliveries();
    app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    app.update_status(&order.id, Paid).await.unwrap();
    let started = std::time::Instant::now();
    while app.stripe.total_refunded() != MUG_PRICE {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app.stripe.flush_deliveries();
    app.stripe.delivered().await;
    assert_eq!(app.get(&order.id).await.status(), Paid, "it was paid offline");
    app.assert_consistent().await;
}

#[tokio::test]
async fn refunds_are_not_repeated_after_lost_or_failed_responses() {
    let app = StripeApp::start().await;
    for fault in
        [Fault::DropAfter, Fault::DropBefore, Fault::ErrorAfter, Fault::ErrorBefore, Fault::RateLimited]
    {
        let order = app.paid_order().await;
        app.stripe.pause_deliveries();
        app.stripe.fail_next(Operation::Refund, fault, 2);
        app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
        app.wait_for(&order, Cancelled, Refunded, SOON).await;
        let refunds = app.stripe.refunds_of(&order.id);
        assert_eq!((refunds.len(), refunds[0].amount), (1, MUG_PRICE), "{fault:?}");
        app.stripe.clear_faults();
        app.stripe.flush_deliveries();
    }
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_failed_refund_is_repeated() {
    let app = StripeApp::start().await;
    app.stripe.set_refund_status(RefundStatus::Pending);
    let order = app.paid_order().await;
    app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    app.stripe.delivered().await; // the refund is created, but still pending
    let pending = app.get(&order.id).await;
    assert_eq!((pending.status(), payment_of(&pending)), (Cancelled, RefundPending));

    let refund = &app.stripe.refunds_of(&order.id)[0];
    app.stripe.set_refund_status(RefundStatus::Succeeded);
    app.stripe.settle_refund(&refund.id, Outcome::Fails);
    app.wait_for(&order, Cancelled, Refunded, SOON).await;
    assert_eq!(app.stripe.refunds_of(&order.id).len(), 1, "the first one has failed");
    assert_eq!(app.stripe.total_refunded(), MUG_PRICE);
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_refund_of_a_killed_process_is_completed_by_the_next() {
    let mut app = StripeApp::start().await;
    let order = app.paid_order().await;
    app.stripe.pause_deliveries();
    app.stripe.fail_next(Operation::Refund, Fault::DropAfter, 1);
    app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    app.restart().await;
    app.wait_for(&order, Cancelled, Refunded, SOON).await;
    assert_eq!(app.stripe.refunds_of(&order.id).len(), 1);
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_rejected_refund_is_retried_with_another_key() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    app.stripe.pause_deliveries();
    let object = with_values(
        app.stripe.object(&intent.id).unwrap(),
        &[("/status", json!("succeeded")), ("/amount_received", json!(MUG_PRICE))],
    );
    // As if the balance at Stripe were too low: it stores the rejection under the key.
    let ahead = app.stripe.event("payment_intent.succeeded", &object);
    assert_eq!(app.stripe.post_event(&ahead).await, Some(200));
    app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    assert_eq!(payment_of(&app.get(&order.id).await), RefundPending);
    app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    app.wait_for(&order, Cancelled, Refunded, SOON).await;
    assert_eq!(app.stripe.refunds_of(&order.id).len(), 1);
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_late_refund_failure_does_not_affect_the_next_refund() {
    let app = StripeApp::start().await;
    app.stripe.set_refund_status(RefundStatus::Pending);
    let order = app.paid_order().await;
    app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    let replica = app.replica().await;
    let first = &app.stripe.refunds_of(&order.id)[0];
    app.stripe.settle_refund(&first.id, Outcome::Fails);
    // One replica gets the failure late; meanwhile the other one creates the next refund.
    app.stripe.fail_next(Operation::Retrieve, Fault::DelayAfter(Duration::from_secs(2)), 1);
    let polls = app.stripe.calls_of(Operation::Retrieve);
    let started = std::time::Instant::now();
    while app.stripe.refunds_of(&order.id).is_empty() {
        assert!(started.elapsed() < SOON, "no refund");
        poll_now(&app).await;
    }
    assert!(app.stripe.calls_of(Operation::Retrieve) > polls + 1, "both replicas have polled");
    tokio::time::sleep(Duration::from_secs(2)).await;
    poll_now(&app).await;
    assert_eq!(payment_of(&app.get(&order.id).await), RefundPending, "the second one is pending");
    app.stripe.settle_refund(&app.stripe.refunds_of(&order.id)[0].id, Outcome::Succeeds);
    poll_now(&app).await;
    app.wait_for(&order, Cancelled, Refunded, SOON).await;
    replica.kill().await;
    app.assert_consistent().await;
}

/// Lets every worker poll all open payments.
async fn poll_now(app: &StripeApp) {
    sqlx::query("update orders.payments set next_poll_at = now() where next_poll_at is not null")
        .execute(&app.db)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
}
