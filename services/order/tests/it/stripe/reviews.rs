//! Payments that need a person, and intents that Stripe does not know any more.

use std::time::Duration;

use bodega_proto::order::v1::{
    ListPaymentsRequest, Order,
    OrderStatus::{Cancelled, Confirmed, Paid, Pending},
    PaymentDetails,
    PaymentStatus::{Completed, Failed, RefundPending, Refunded, RequiresPayment},
    ResolvePaymentRequest, ReviewReason, ReviewResolution,
};
use bodega_stripe_double::{Card, DeliveryPolicy, Outcome};
use serde_json::json;
use tonic::Status;
use uuid::Uuid;

use super::{StripeApp, payment_of, with_values};
use crate::test_app::{MUG, MUG_PRICE, error_reason, id, with_long_deadline};

/// Work is completed within this time once its upstreams are available.
const SOON: Duration = Duration::from_secs(10);

fn lost() -> DeliveryPolicy {
    DeliveryPolicy { loss: 1.0, ..DeliveryPolicy::default() }
}

async fn list(app: &StripeApp, needs_review: Option<bool>) -> Vec<PaymentDetails> {
    let request = ListPaymentsRequest { needs_review, ..Default::default() };
    app.admin().list_payments(request).await.unwrap().into_inner().payments
}

/// Waits until one payment needs review, and returns it.
async fn in_review(app: &StripeApp, reason: ReviewReason) -> PaymentDetails {
    let started = std::time::Instant::now();
    loop {
        if let [payment] = &list(app, Some(true)).await[..] {
            assert_eq!(payment.review.as_ref().unwrap().reason(), reason);
            assert!(payment.payment.as_ref().unwrap().needs_review);
            return payment.clone();
        }
        assert!(started.elapsed() < SOON, "no payment needs review");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn resolve(
    app: &StripeApp,
    payment: &PaymentDetails,
    resolution: ReviewResolution,
) -> Result<PaymentDetails, Status> {
    let note = "compared with the dashboard".to_owned();
    let request = ResolvePaymentRequest { id: payment.id.clone(), resolution: resolution.into(), note };
    let response = with_long_deadline(app.admin().resolve_payment(request)).await?;
    Ok(response.into_inner().payment.unwrap())
}

/// Makes all settled payments due for their next check, as time does.
async fn check_now(app: &StripeApp) {
    let due = "update orders.payments set next_poll_at = now() where next_poll_at is not null";
    assert!(sqlx::query(due).execute(&app.db).await.unwrap().rows_affected() > 0);
}

/// Reports that less was paid than the order's total.
async fn pay_too_little(app: &StripeApp, order: &Order) {
    let intent = app.create_intent(order).await.unwrap();
    let object = with_values(
        app.stripe.object(&intent.id).unwrap(),
        &[("/status", json!("succeeded")), ("/amount_received", json!(MUG_PRICE - 1))],
    );
    let event = app.stripe.event("payment_intent.succeeded", &object);
    assert_eq!(app.stripe.post_event(&event).await, Some(200));
}

#[tokio::test]
async fn money_of_another_amount_waits_for_a_person() {
    let app = StripeApp::with_payment_window("2s").await;
    let order = app.new_order(&[(MUG, 1)]).await;
    pay_too_little(&app, &order).await;
    let payment = in_review(&app, ReviewReason::WrongAmount).await;
    let review = payment.review.clone().unwrap();
    assert_eq!((review.reported_minor, review.reported_currency.as_str()), (Some(MUG_PRICE - 1), "USD"));
    assert_eq!((payment.order_id.as_str(), payment.amount_minor), (order.id.as_str(), MUG_PRICE));
    assert_eq!(error_reason(app.create_intent(&order).await), "order_not_payable");
    assert!(app.get(&order.id).await.payment.unwrap().needs_review);

    // It is neither polled nor cancelled, and its order does not expire.
    let scheduled = "select count(*) from orders.payments where next_poll_at is not null";
    let scheduled: i64 = sqlx::query_scalar(scheduled).fetch_one(&app.db).await.unwrap();
    assert_eq!(scheduled, 0);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(app.get(&order.id).await.status(), Pending);

    assert_eq!(error_reason(resolve(&app, &payment, ReviewResolution::Unspecified).await), "invalid_field");
    let resolved = resolve(&app, &payment, ReviewResolution::Completed).await.unwrap();
    let review = resolved.review.unwrap();
    assert_eq!(review.resolution(), ReviewResolution::Completed);
    assert_eq!(review.note, "compared with the dashboard");
    assert!(review.resolved_by.parse::<Uuid>().is_ok() && review.resolved_at.is_some());
    app.wait_for(&order, Paid, Completed, SOON).await;
    assert_eq!(list(&app, Some(true)).await, []);
    assert_eq!(list(&app, Some(false)).await.len(), 1);
    let again = resolve(&app, &payment, ReviewResolution::Completed).await;
    assert_eq!(error_reason(again), "payment_not_in_review");
    let unknown = PaymentDetails { id: Uuid::now_v7().to_string(), ..payment };
    assert_eq!(error_reason(resolve(&app, &unknown, ReviewResolution::Completed).await), "payment_not_found");
}

#[tokio::test]
async fn a_resolved_payment_without_money_lets_the_order_expire() {
    let app = StripeApp::with_payment_window("2s").await;
    let order = app.new_order(&[(MUG, 1)]).await;
    pay_too_little(&app, &order).await;
    let payment = in_review(&app, ReviewReason::WrongAmount).await;
    resolve(&app, &payment, ReviewResolution::Refunded).await.unwrap();
    let order = app.wait_for(&order, Cancelled, Refunded, SOON).await;
    assert_eq!(order.payment.unwrap().refunded_minor, MUG_PRICE);
    app.assert_consistent().await;
    assert_eq!(app.catalog.available(MUG), 1000);
}

#[tokio::test]
async fn a_refund_that_fails_after_it_was_reported_waits_for_a_person() {
    for delivery in [DeliveryPolicy::default(), lost()] {
        let app = StripeApp::start().await;
        let order = app.paid_order().await;
        app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
        let refunded = app.wait_for(&order, Cancelled, Refunded, SOON).await.payment.unwrap();
        let refund = app.stripe.refunds_of(&order.id)[0].id.clone();
        assert_eq!((refunded.refund_id, refunded.refunded_minor), (refund.clone(), MUG_PRICE));
        app.stripe.delivered().await;

        let is_lost = delivery == lost();
        app.stripe.set_delivery_policy(delivery);
        assert!(app.stripe.settle_refund(&refund, Outcome::Fails));
        if is_lost {
            check_now(&app).await;
        }
        let payment = in_review(&app, ReviewReason::RefundFailed).await;
        assert_eq!(
            error_reason(resolve(&app, &payment, ReviewResolution::Completed).await),
            "invalid_resolution"
        );
        resolve(&app, &payment, ReviewResolution::Refunded).await.unwrap();
        assert_eq!(list(&app, Some(true)).await, []);
    }
}

#[tokio::test]
async fn a_refund_elsewhere_whose_event_was_lost_waits_for_a_person() {
    let app = StripeApp::start().await;
    let order = app.paid_order().await;
    app.stripe.set_delivery_policy(lost());
    app.refund_at_stripe(&order, None).await;
    check_now(&app).await;
    let payment = in_review(&app, ReviewReason::RefundedElsewhere).await;
    assert_eq!(app.get(&order.id).await.status(), Paid, "it may have been shipped");
    resolve(&app, &payment, ReviewResolution::Refunded).await.unwrap();
    app.wait_for(&order, Cancelled, Refunded, SOON).await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_partial_refund_at_the_provider_is_shown() {
    let app = StripeApp::start().await;
    let order = app.paid_order().await;
    app.refund_at_stripe(&order, Some(300)).await;
    app.stripe.delivered().await;
    let payment = app.get(&order.id).await.payment.unwrap();
    assert_eq!((payment.status(), payment.refunded_minor, payment.needs_review), (Completed, 300, false));
    app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    let refunded = app.wait_for(&order, Cancelled, Refunded, SOON).await;
    assert_eq!(refunded.payment.unwrap().refunded_minor, MUG_PRICE);
    assert_eq!(app.stripe.total_refunded(), MUG_PRICE);
    app.assert_consistent().await;
}

#[tokio::test]
async fn money_for_a_deleted_order_waits_for_a_person() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    app.stripe.delivered().await;
    for table in ["order_events", "payments", "order_items", "latest_checkouts", "outbox", "idempotency_keys"]
    {
        let delete = format!("delete from orders.{table}");
        sqlx::query(sqlx::AssertSqlSafe(delete)).execute(&app.db).await.unwrap();
    }
    sqlx::query("delete from orders.orders").execute(&app.db).await.unwrap();
    app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    app.stripe.delivered().await;
    let payment = in_review(&app, ReviewReason::OrderMissing).await;
    let money = payment.payment.clone().unwrap();
    assert_eq!(
        (payment.order_id.as_str(), money.intent_id.as_str()),
        (order.id.as_str(), intent.id.as_str())
    );
    assert_eq!((payment.amount_minor, payment.user_id.as_str()), (MUG_PRICE, ""));
    assert_eq!(error_reason(resolve(&app, &payment, ReviewResolution::Retry).await), "invalid_resolution");
    let resolved = resolve(&app, &payment, ReviewResolution::Refunded).await.unwrap();
    assert_eq!(resolved.payment.unwrap().status(), Refunded);
    assert_eq!(list(&app, Some(true)).await, []);

    // Stripe repeats the event.
    let event = app.stripe.event("payment_intent.succeeded", &app.stripe.object(&intent.id).unwrap());
    assert_eq!(app.stripe.post_event(&event).await, Some(200));
    assert_eq!(list(&app, Some(true)).await, []);
}

#[tokio::test]
async fn an_intent_that_stripe_does_not_know_does_not_block_the_order() {
    let app = StripeApp::with_payment_window("6s").await;
    let expiring = app.new_order(&[(MUG, 1)]).await;
    let paid = app.new_order(&[(MUG, 1)]).await;
    let cancelled = app.new_order(&[(MUG, 1)]).await;
    for order in [&expiring, &paid, &cancelled] {
        let intent = app.create_intent(order).await.unwrap();
        app.stripe.forget_intent(&intent.id);
    }
    app.cancel(cancelled.user_id.parse().unwrap(), &cancelled.id).await.unwrap();
    assert!(app.get(&cancelled.id).await.payment.unwrap().cancelled, "at once");
    app.wait_for(&paid, Pending, Failed, SOON).await;
    let intent = app.create_intent(&paid).await.unwrap();
    assert_eq!(payment_of(&app.get(&paid.id).await), RequiresPayment, "another attempt");
    app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    app.wait_for(&paid, Paid, Completed, SOON).await;

    let expired = app.wait_for(&expiring, Cancelled, Failed, SOON).await;
    assert!(expired.payment.unwrap().cancelled);
    let statuses: Vec<_> = expired.history.iter().map(|event| event.payment_cancelled).collect();
    assert_eq!(statuses, [false, false, true, false], "pending, started, cancelled, order cancelled");
    let scheduled = "select count(*) from orders.payments where next_poll_at is not null and order_id <> $1";
    let scheduled: i64 = sqlx::query_scalar(scheduled).bind(id(&paid)).fetch_one(&app.db).await.unwrap();
    assert_eq!(scheduled, 0, "nothing is polled without end");
    app.assert_consistent().await;
    assert_eq!(app.catalog.available(MUG), 999);
}

#[tokio::test]
async fn a_refund_of_an_intent_that_stripe_does_not_know_waits_for_a_person() {
    let app = StripeApp::start().await;
    let order = app.paid_order().await;
    app.stripe.forget_intent(&app.stripe.intents_of(&order.id)[0].id);
    app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    let payment = in_review(&app, ReviewReason::RefundFailed).await;
    assert_eq!(payment.payment.as_ref().unwrap().status(), RefundPending);
    resolve(&app, &payment, ReviewResolution::Refunded).await.unwrap();
    app.wait_for(&order, Cancelled, Refunded, SOON).await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_confirmed_order_is_not_cancelled_by_an_abandoned_payment() {
    let app = StripeApp::with_payment_window("1s").await;
    let order = app.new_order(&[(MUG, 1)]).await;
    app.create_intent(&order).await.unwrap();
    app.update_status(&order.id, Confirmed).await.unwrap();
    let late = app.new_order(&[(MUG, 1)]).await;
    app.update_status(&late.id, Confirmed).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let intent = app.create_intent(&late).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    for order in [&order, &late] {
        assert_eq!(app.get(&order.id).await.status(), Confirmed);
    }
    app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    app.wait_for(&late, Paid, Completed, SOON).await;
    app.assert_consistent().await;
}

/// Customers pay about when their orders expire, and no event arrives in time.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_at_the_moment_of_expiry_is_kept_or_refunded() {
    let app = StripeApp::with_payment_window("3s").await;
    let replica = app.replica().await;
    let orders = futures_util::future::join_all((0..12).map(|_| app.new_order(&[(MUG, 1)]))).await;
    let pay = async |(delay, order): (u32, &Order)| {
        let intent = app.create_intent(order).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2_000) + delay * Duration::from_millis(120)).await;
        app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap()["status"] == "succeeded"
    };
    let paid = futures_util::future::join_all((0..).zip(&orders).map(pay)).await;
    let mut kept = 0;
    for (order, paid) in orders.iter().zip(paid) {
        let started = std::time::Instant::now();
        let order = loop {
            let order = app.get(&order.id).await;
            match (order.status(), payment_of(&order)) {
                (Paid, Completed) | (Cancelled, Failed | Refunded) => break order,
                _ => assert!(started.elapsed() < SOON, "{order:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(paid, payment_of(&order) != Failed, "{order:?}");
        kept += i32::from(order.status() == Paid);
        let released = usize::from(order.status() == Cancelled);
        assert_eq!(app.catalog.release_count(id(&order)), released, "stock is returned once");
    }
    app.assert_consistent().await;
    assert_eq!(app.catalog.available(MUG), 1000 - kept);
    assert_eq!(app.stripe.total_charged() - app.stripe.total_refunded(), i64::from(kept) * MUG_PRICE);
    replica.kill().await;
}
