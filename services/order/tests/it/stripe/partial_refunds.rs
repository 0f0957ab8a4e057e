//! Refunds of parts of card payments.

use std::time::{Duration, Instant};

use bodega_proto::order::v1::{
    CreateRefundRequest, Order,
    OrderStatus::{Cancelled, Paid},
    PaymentStatus::{Completed, Refunded},
    Refund, RefundStatus,
};
use bodega_stripe_double::{DeliveryPolicy, Fault, Operation, Outcome, RefundStatus as StripeRefundStatus};

use super::StripeApp;
use crate::{
    returns::{refunding, returning},
    test_app::{MUG, MUG_PRICE, error_reason},
};

/// Work is completed within this time once its upstreams are available.
const SOON: Duration = Duration::from_secs(10);

impl StripeApp {
    /// Waits until the refunds of an order satisfy a condition.
    pub(super) async fn wait_for_refunds(
        &self,
        order: &Order,
        condition: impl Fn(&[Refund]) -> bool,
    ) -> Order {
        let started = Instant::now();
        loop {
            let order = self.get(&order.id).await;
            if condition(&order.refunds) {
                return order;
            }
            assert!(started.elapsed() < SOON, "{:?}", order.refunds);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The amounts that Stripe has refunded.
    pub(super) fn refunded_at_stripe(&self, order: &Order) -> Vec<i64> {
        self.stripe.refunds_of(&order.id).iter().map(|refund| refund.amount).collect()
    }
}

pub(super) fn statuses(refunds: &[Refund]) -> Vec<RefundStatus> {
    refunds.iter().map(Refund::status).collect()
}

#[tokio::test]
async fn parts_are_refunded_with_the_refunds_id_as_key() {
    let app = StripeApp::start().await;
    let order = app.paid_order().await;
    let first = app.refund(refunding(&order, 300)).await.unwrap();
    assert_eq!((first.status(), first.amount_minor), (RefundStatus::Succeeded, 300));
    let calls = app.stripe.calls().into_iter().filter(|call| call.operation == Operation::Refund);
    let keys: Vec<_> = calls.filter_map(|call| call.idempotency_key).collect();
    assert_eq!(keys, std::slice::from_ref(&first.id));
    assert_eq!(app.stripe.refunds()[0].id, first.provider_refund_id);

    app.refund(CreateRefundRequest { restock: true, ..returning(&order, &[(MUG, 1)]) }).await.unwrap();
    app.stripe.delivered().await;
    let found = app.get(&order.id).await;
    let payment = found.payment.clone().unwrap();
    assert_eq!((found.status(), payment.status(), payment.refunded_minor), (Paid, Refunded, MUG_PRICE));
    assert!(!payment.needs_review && found.refunds.len() == 2 && !found.refunds.iter().any(|it| it.external));
    assert_eq!(app.refunded_at_stripe(&order), [300, 700]);
    app.assert_returns_add_up().await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_part_is_refunded_once_despite_faults() {
    let app = StripeApp::start().await;
    for fault in
        [Fault::DropAfter, Fault::DropBefore, Fault::ErrorAfter, Fault::ErrorBefore, Fault::RateLimited]
    {
        let order = app.paid_order().await;
        app.stripe.fail_next(Operation::Refund, fault, 2);
        app.refund(refunding(&order, 400)).await.unwrap();
        app.wait_for_refunds(&order, |refunds| statuses(refunds) == [RefundStatus::Succeeded]).await;
        assert_eq!(app.refunded_at_stripe(&order), [400], "{fault:?}");
        app.stripe.clear_faults();
    }
    app.stripe.delivered().await;
    app.assert_returns_add_up().await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_part_of_a_killed_process_is_refunded_by_the_next() {
    let mut app = StripeApp::start().await;
    let order = app.paid_order().await;
    app.stripe.pause_deliveries();
    app.stripe.fail_next(Operation::Refund, Fault::DropAfter, 1);
    app.refund(CreateRefundRequest { restock: true, ..returning(&order, &[(MUG, 1)]) }).await.unwrap();
    app.restart().await;
    app.wait_for_refunds(&order, |refunds| statuses(refunds) == [RefundStatus::Succeeded]).await;
    let started = Instant::now();
    while app.catalog.available(MUG) < 1000 {
        assert!(started.elapsed() < SOON, "the unit is not returned");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(app.refunded_at_stripe(&order), [MUG_PRICE]);
    app.assert_returns_add_up().await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn refunds_of_the_dashboard_are_recorded() {
    for is_lost in [false, true] {
        let app = StripeApp::start().await;
        let order = app.paid_order().await;
        app.refund(refunding(&order, 200)).await.unwrap();
        app.stripe.delivered().await;
        if is_lost {
            app.stripe.set_delivery_policy(DeliveryPolicy { loss: 1.0, ..DeliveryPolicy::default() });
        }
        app.refund_at_stripe(&order, Some(500)).await;
        if is_lost {
            let due = "update orders.payments set next_poll_at = now()";
            sqlx::query(due).execute(&app.db).await.unwrap();
        }
        let found = app.wait_for_refunds(&order, |refunds| refunds.len() == 2).await;
        let external = &found.refunds[1];
        assert_eq!((external.external, external.amount_minor), (true, 500));
        assert_eq!(external.provider_refund_id, app.stripe.refunds()[1].id);
        assert_eq!(found.payment.unwrap().refunded_minor, 700);
        assert_eq!(error_reason(app.refund(refunding(&order, 301)).await), "refund_exceeds_paid");
        app.refund(refunding(&order, 300)).await.unwrap();
        assert_eq!(app.refunded_at_stripe(&order), [200, 500, 300]);
        app.assert_returns_add_up().await;
        app.assert_consistent().await;
    }
}

#[tokio::test]
async fn a_part_that_the_dashboard_has_refunded_meanwhile_fails() {
    let app = StripeApp::start().await;
    let order = app.paid_order().await;
    app.stripe.set_delivery_policy(DeliveryPolicy { loss: 1.0, ..DeliveryPolicy::default() });
    app.refund_at_stripe(&order, Some(600)).await;
    let failed = app.refund(returning(&order, &[(MUG, 1)])).await.unwrap();
    assert_eq!((failed.status(), failed.failure.is_empty()), (RefundStatus::Failed, false));
    assert_eq!(app.catalog.return_count(), 0, "its unit was not returned");
    sqlx::query("update orders.payments set next_poll_at = now()").execute(&app.db).await.unwrap();
    app.wait_for_refunds(&order, |refunds| refunds.len() == 2).await;
    app.refund(refunding(&order, 400)).await.unwrap();
    assert_eq!(app.refunded_at_stripe(&order), [600, 400]);
    app.assert_returns_add_up().await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_refund_that_fails_later_can_be_made_again() {
    let app = StripeApp::start().await;
    app.stripe.set_refund_status(StripeRefundStatus::Pending);
    let order = app.paid_order().await;
    let pending = app.refund(returning(&order, &[(MUG, 1)])).await.unwrap();
    assert_eq!(pending.status(), RefundStatus::Pending);
    assert_eq!(app.catalog.return_count(), 1, "Stripe has accepted it");
    app.stripe.set_refund_status(StripeRefundStatus::Succeeded);
    app.stripe.delivered().await;
    assert!(app.stripe.settle_refund(&pending.provider_refund_id, Outcome::Fails));
    app.wait_for_refunds(&order, |refunds| statuses(refunds) == [RefundStatus::Failed]).await;
    assert_eq!(error_reason(app.refund(returning(&order, &[(MUG, 1)])).await), "refund_exceeds_paid");
    app.refund(refunding(&order, MUG_PRICE)).await.unwrap();
    app.stripe.delivered().await;
    let found = app.get(&order.id).await;
    assert_eq!(found.payment.unwrap().status(), Refunded);
    assert_eq!(app.refunded_at_stripe(&order), [MUG_PRICE]);
    app.assert_returns_add_up().await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn cancelling_refunds_what_is_left() {
    let app = StripeApp::start().await;
    let order = app.paid_order().await;
    app.refund(refunding(&order, 300)).await.unwrap();
    assert_eq!(app.get(&order.id).await.payment.unwrap().status(), Completed);
    app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    app.wait_for(&order, Cancelled, Refunded, SOON).await;
    assert_eq!(app.refunded_at_stripe(&order), [300, 700]);
    app.assert_returns_add_up().await;
    app.assert_consistent().await;
}
