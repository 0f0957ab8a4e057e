//! Payments without webhook events, and payments that do not arrive.

use std::time::Duration;

use bodega_embedded_postgres::testing::statements::count;
use bodega_order::PaymentProviders;
use bodega_proto::order::v1::{
    OrderStatus::{Cancelled, Paid, Pending},
    PaymentStatus::{Completed, Failed, Refunded, RequiresPayment, Unspecified},
};
use bodega_stripe_double::{Card, DeliveryPolicy, Fault, IntentStatus, Operation};

use super::{StripeApp, create_intent, payment_of};
use crate::test_app::{MUG, error_reason, id};

/// Work is completed within this time once its upstreams are available.
const SOON: Duration = Duration::from_secs(10);

fn lost() -> DeliveryPolicy {
    DeliveryPolicy { loss: 1.0, ..DeliveryPolicy::default() }
}

#[tokio::test]
async fn polling_replaces_lost_events_within_seconds() {
    let app = StripeApp::start().await;
    app.stripe.set_delivery_policy(lost());
    let order = app.new_order(&[(MUG, 1)]).await;
    let declined = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    let intent = app.create_intent(&declined).await.unwrap();
    app.stripe.confirm(&intent.client_secret, Card::Declined).await.unwrap();
    // Polls are repeated while Stripe does not respond.
    app.stripe.fail_next(Operation::Retrieve, Fault::DropAfter, 2);
    app.wait_for(&order, Paid, Completed, SOON).await;
    app.wait_for(&declined, Pending, Failed, SOON).await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_payment_is_polled_by_one_replica_with_backoff() {
    let app = StripeApp::start().await;
    let replicas = [app.replica().await, app.replica().await];
    let order = app.new_order(&[(MUG, 1)]).await;
    app.create_intent(&order).await.unwrap();
    tokio::time::sleep(Duration::from_secs(8)).await;
    let polls = app.stripe.calls_of(Operation::Retrieve);
    assert!((1..=5).contains(&polls), "{polls} polls in 8 seconds");
    for replica in replicas {
        replica.kill().await;
    }
}

#[tokio::test]
async fn expiring_cancels_the_intent_before_the_order() {
    let app = StripeApp::with_payment_window("1s").await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let without = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    // The order stays as long as the intent cannot be cancelled.
    app.stripe.fail_next(Operation::Cancel, Fault::DropBefore, 4);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(app.get(&order.id).await.status(), Pending);
    assert_eq!(error_reason(app.create_intent(&order).await), "order_not_payable", "its window has ended");
    app.stripe.clear_faults();
    let expired = app.wait_for(&order, Cancelled, Failed, SOON).await;
    assert_eq!(app.stripe.intent(&intent.id).unwrap().status, IntentStatus::Canceled);
    let actor: Option<uuid::Uuid> = sqlx::query_scalar(
        "select actor from orders.order_events where order_id = $1 and status_changed and status = 'cancelled'",
    )
    .bind(id(&expired))
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!(actor, None, "the system is the actor");
    let without = app.wait_for(&without, Cancelled, Unspecified, SOON).await;
    assert_eq!(without.payment, None, "no payment was started");
    app.assert_consistent().await;
    assert_eq!(app.catalog.available(MUG), 1000);
}

#[tokio::test]
async fn an_order_paid_at_the_last_moment_does_not_expire() {
    let app = StripeApp::with_payment_window("2s").await;
    app.stripe.set_delivery_policy(lost());
    let order = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    app.stripe.fail_next(Operation::Retrieve, Fault::RateLimited, 100);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    app.stripe.clear_faults();
    app.wait_for(&order, Paid, Completed, SOON).await;
    assert_eq!(app.stripe.refunds(), []);
    app.assert_consistent().await;
}

#[tokio::test]
async fn declined_payments_expire_and_processing_ones_do_not() {
    let app = StripeApp::with_payment_window("1s").await;
    let declined = app.new_order(&[(MUG, 1)]).await;
    let slow = app.new_order(&[(MUG, 1)]).await;
    let unknown = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&declined).await.unwrap();
    app.stripe.confirm(&intent.client_secret, Card::Declined).await.unwrap();
    let intent = app.create_intent(&slow).await.unwrap();
    app.stripe.confirm(&intent.client_secret, Card::Slow).await.unwrap();
    app.stripe.fail_next(Operation::Create, Fault::DropBefore, 20);
    app.create_intent(&unknown).await.unwrap_err();
    app.stripe.clear_faults();
    app.wait_for(&declined, Cancelled, Failed, SOON).await;
    app.wait_for(&unknown, Cancelled, Failed, SOON).await;
    let order = app.get(&slow.id).await;
    assert_eq!(order.status(), Pending);
    assert_ne!(payment_of(&order), RequiresPayment);
    app.stripe.settle_intent(&intent.id, bodega_stripe_double::Outcome::Succeeds);
    app.wait_for(&slow, Paid, Completed, SOON).await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn events_stored_by_a_killed_process_are_applied_by_the_next() {
    let mut app = StripeApp::start().await;
    let order = app.paid_order().await;
    // Restores the state of a process that was killed between storing the event and applying it.
    let undo = [
        "update orders.provider_events set applied_at = null, outcome = null, next_attempt_at = now()
         where kind = 'payment_intent.succeeded'",
        "delete from orders.order_events where payment_status = 'completed'",
        "update orders.payments set status = 'requires_payment'",
        "update orders.orders set status = 'pending'",
    ];
    for statement in undo {
        sqlx::query(statement).execute(&app.db).await.unwrap();
    }
    app.restart().await;
    app.wait_for(&order, Paid, Completed, Duration::from_secs(5)).await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_payment_of_a_killed_process_fails_after_cancellation() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let owner = order.user_id.parse().unwrap();
    app.stripe.set_delivery_policy(lost());
    app.stripe.fail_next(Operation::Create, Fault::DelayAfter(Duration::from_secs(60)), 1);
    let id = order.id.clone();
    let killed = app.killed_after(Duration::from_millis(500), owner, |client| async move {
        create_intent(client, &id).await
    });
    assert!(killed.await.is_none());
    app.cancel(owner, &order.id).await.unwrap();
    // Polling does not extend the lease of the killed process.
    app.wait_for(&order, Cancelled, Failed, SOON).await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn an_intent_created_during_cancellation_is_cancelled() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    app.stripe.set_delivery_policy(lost());
    app.stripe.fail_next(Operation::Create, Fault::DelayAfter(Duration::from_secs(2)), 1);
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    };
    let (rejected, ()) = tokio::join!(app.create_intent(&order), cancel);
    assert_eq!(error_reason(rejected), "order_not_payable", "the cancelled intent is not returned");
    app.wait_for(&order, Cancelled, Failed, SOON).await;
    assert_eq!(app.stripe.intents_of(&order.id)[0].status, IntentStatus::Canceled);
    app.assert_consistent().await;
}

#[tokio::test]
async fn disabling_and_enabling_a_provider_leaves_one_charge() {
    let mut app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let owner = order.user_id.parse().unwrap();
    let intent = app.create_intent(&order).await.unwrap();
    let card = app.restart_with_providers(PaymentProviders::offline()).await;
    // The intent could still be paid: no other payment starts, and the call does not wait for it.
    let (error, statements) = count(app.create_intent(&order)).await;
    assert_eq!(error.unwrap_err().code(), tonic::Code::Unavailable);
    assert!(statements < 10, "{statements} statements");
    app.update_status(&order.id, Paid).await.unwrap();
    app.cancel(owner, &order.id).await.unwrap();
    let cancelled = app.get(&order.id).await;
    assert_eq!(payment_of(&cancelled), Refunded, "the offline payment is refunded offline");

    let due = "update orders.payments set next_poll_at = now() where provider = 'stripe'";
    sqlx::query(due).execute(&app.db).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let unclaimed = "select bool_and(next_poll_at <= now()) from orders.payments where provider = 'stripe'";
    let unclaimed: bool = sqlx::query_scalar(unclaimed).fetch_one(&app.db).await.unwrap();
    assert!(unclaimed, "payments of an unknown provider are not claimed");

    app.stripe.set_delivery_policy(lost());
    app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    app.restart_with_providers(card).await;
    let started = std::time::Instant::now();
    while app.stripe.total_refunded() == 0 {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app.assert_consistent().await;
}
