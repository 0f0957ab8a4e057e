//! Refunds that fail, or seem to.

use std::time::{Duration, Instant};

use bodega_proto::order::v1::{
    CreateRefundRequest, CreateShipmentRequest, Order,
    OrderStatus::{Cancelled, Paid},
    PaymentStatus::Refunded,
    RefundStatus, ShipmentLine,
};
use bodega_stripe_double::{
    Card, DeliveryPolicy, Fault, Operation, Outcome, RefundStatus as StripeRefundStatus,
};
use tokio::time::sleep;

use super::{StripeApp, partial_refunds::statuses};
use crate::{
    returns::{refunding, returning},
    test_app::{MUG, MUG_PRICE, error_reason, id},
};

/// Work is completed within this time once its upstreams are available.
const SOON: Duration = Duration::from_secs(10);

impl StripeApp {
    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.db).await.unwrap();
    }

    fn lose_events(&self) {
        self.stripe.set_delivery_policy(DeliveryPolicy { loss: 1.0, ..DeliveryPolicy::default() });
    }

    /// Makes all refunds due until Stripe has got this many more calls of a kind.
    async fn process_refunds(&self, operation: Operation, calls: usize) {
        let (started, before) = (Instant::now(), self.stripe.calls_of(operation));
        while self.stripe.calls_of(operation) < before + calls {
            assert!(started.elapsed() < SOON, "Stripe is not called");
            self.execute("update orders.refunds set next_attempt_at = now() where status = 'pending'").await;
            sleep(Duration::from_millis(50)).await;
        }
        sleep(Duration::from_millis(200)).await;
    }

    async fn status_of_refunds(&self, order: &Order) -> Vec<RefundStatus> {
        statuses(&self.get(&order.id).await.refunds)
    }
}

#[tokio::test]
async fn a_refund_that_stripe_has_accepted_is_not_failed_by_the_keys_of_another_account() {
    let app = StripeApp::start().await;
    app.stripe.set_refund_status(StripeRefundStatus::Pending);
    let order = app.paid_order().await;
    let pending = app.refund(refunding(&order, 600)).await.unwrap();
    app.stripe.delivered().await;
    app.stripe.fail_next(Operation::Retrieve, Fault::OtherAccount, 1_000);
    app.process_refunds(Operation::Retrieve, 3).await;
    assert_eq!(app.status_of_refunds(&order).await, [RefundStatus::Pending]);
    assert_eq!(error_reason(app.refund(refunding(&order, 600)).await), "refund_exceeds_paid");
    app.stripe.clear_faults();
    app.stripe.settle_refund(&pending.provider_refund_id, Outcome::Succeeds);
    app.execute("update orders.refunds set next_attempt_at = now()").await;
    app.wait_for_refunds(&order, |refunds| statuses(refunds) == [RefundStatus::Succeeded]).await;
    assert_eq!(app.refunded_at_stripe(&order), [600]);
    app.assert_returns_add_up().await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_refund_whose_response_was_lost_is_not_failed_by_the_keys_of_another_account() {
    let app = StripeApp::start().await;
    let order = app.paid_order().await;
    app.lose_events();
    app.stripe.fail_next(Operation::Refund, Fault::DropAfter, 2);
    let refund = app.refund(refunding(&order, 600)).await.unwrap();
    assert_eq!(refund.status(), RefundStatus::Pending);
    app.stripe.fail_next(Operation::Refund, Fault::OtherAccount, 1_000);
    app.process_refunds(Operation::Refund, 2).await;
    assert_eq!(app.status_of_refunds(&order).await, [RefundStatus::Pending]);
    app.stripe.clear_faults();
    app.wait_for_refunds(&order, |refunds| statuses(refunds) == [RefundStatus::Succeeded]).await;
    assert_eq!(app.refunded_at_stripe(&order), [600]);

    // No earlier call can have made it.
    app.stripe.fail_next(Operation::Refund, Fault::OtherAccount, 1);
    assert_eq!(app.refund(refunding(&order, 100)).await.unwrap().status(), RefundStatus::Failed);
    app.assert_returns_add_up().await;
    app.assert_consistent().await;
}

/// As earlier versions left it after an error of a poll.
#[tokio::test]
async fn a_refund_that_is_recorded_as_failed_and_was_made_is_revived() {
    let app = StripeApp::start().await;
    let order = app.paid_order().await;
    app.refund(CreateRefundRequest { restock: true, ..returning(&order, &[(MUG, 1)]) }).await.unwrap();
    app.stripe.delivered().await;
    app.execute(
        "update orders.refunds set status = 'failed', failure = '404';
         update orders.order_items set refunded_minor = 0;
         update orders.payments set refunds_minor = 0, next_poll_at = now()",
    )
    .await;
    let found = app.wait_for_refunds(&order, |refunds| statuses(refunds) == [RefundStatus::Succeeded]).await;
    assert_eq!((found.payment.unwrap().status(), found.refunds[0].failure.as_str()), (Refunded, ""));
    let lists = app.stripe.calls_of(Operation::Retrieve);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(app.stripe.calls_of(Operation::Retrieve), lists, "they are not listed again");
    app.assert_returns_add_up().await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_part_that_fails_after_the_rest_was_refunded_is_reviewed() {
    for is_polled in [false, true] {
        let app = StripeApp::start().await;
        let order = app.paid_order().await;
        if is_polled {
            app.stripe.set_refund_status(StripeRefundStatus::Pending);
        }
        let part = app.refund(refunding(&order, 600)).await.unwrap();
        app.stripe.set_refund_status(StripeRefundStatus::Succeeded);
        app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
        app.wait_for(&order, Cancelled, Refunded, SOON).await;
        app.stripe.delivered().await;
        if is_polled {
            app.lose_events();
        }
        app.stripe.settle_refund(&part.provider_refund_id, Outcome::Fails);
        app.execute("update orders.refunds set next_attempt_at = now() where status = 'pending'").await;
        app.wait_for_refunds(&order, |refunds| statuses(refunds) == [RefundStatus::Failed]).await;
        let payment = app.get(&order.id).await.payment.unwrap();
        assert!(payment.needs_review, "the customer still has to get 6.00: {payment:?}");
        app.assert_returns_add_up().await;
    }
}

#[tokio::test]
async fn a_poll_finds_a_refund_that_has_failed_later() {
    let app = StripeApp::start().await;
    let order = app.paid_order().await;
    let refund = app.refund(refunding(&order, 600)).await.unwrap();
    app.stripe.delivered().await;
    app.lose_events();
    app.stripe.settle_refund(&refund.provider_refund_id, Outcome::Fails);
    app.execute("update orders.payments set next_poll_at = now()").await;
    let found = app.wait_for_refunds(&order, |refunds| statuses(refunds) == [RefundStatus::Failed]).await;
    assert_eq!(found.payment.unwrap().refunded_minor, 0);
    app.refund(refunding(&order, MUG_PRICE)).await.unwrap();
    assert_eq!(app.refunded_at_stripe(&order), [MUG_PRICE]);
    app.assert_returns_add_up().await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn units_of_a_partly_shipped_order_are_returned_after_the_dashboard_has_refunded_all() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 2)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    app.stripe.delivered().await;
    let lines = vec![ShipmentLine { variant_id: MUG, quantity: 1 }];
    app.ship(CreateShipmentRequest { order_id: order.id.clone(), lines, ..Default::default() })
        .await
        .unwrap();
    app.refund_at_stripe(&order, None).await;
    let found = app.wait_for_refunds(&order, |refunds| statuses(refunds) == [RefundStatus::Succeeded]).await;
    let payment = found.payment.clone().unwrap();
    assert_eq!((found.status(), payment.status(), payment.refunded_minor), (Paid, Refunded, 2 * MUG_PRICE));
    assert!(found.refunds[0].external && !payment.needs_review);

    // A later poll finds the same.
    let calls = app.stripe.calls_of(Operation::Retrieve);
    app.execute("update orders.payments set next_poll_at = now()").await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(app.stripe.calls_of(Operation::Retrieve), calls + 1);
    assert!(!app.get(&order.id).await.payment.unwrap().needs_review);

    let returned =
        app.refund(CreateRefundRequest { restock: true, ..returning(&order, &[(MUG, 1)]) }).await.unwrap();
    assert_eq!((returned.status(), returned.amount_minor), (RefundStatus::Succeeded, 0));
    assert_eq!(app.catalog.available(MUG), 999);
    app.assert_returns_add_up().await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn polls_of_a_pending_refund_do_not_change_the_order() {
    let app = StripeApp::start().await;
    app.stripe.set_refund_status(StripeRefundStatus::Pending);
    let order = app.paid_order().await;
    let refund = app.refund(refunding(&order, 600)).await.unwrap();
    app.stripe.delivered().await;
    let before = app.get(&order.id).await.updated_at;
    app.process_refunds(Operation::Retrieve, 2).await;
    assert_eq!(app.get(&order.id).await.updated_at, before);
    app.stripe.settle_refund(&refund.provider_refund_id, Outcome::Succeeds);
    app.execute("update orders.refunds set next_attempt_at = now()").await;
    app.wait_for_refunds(&order, |refunds| statuses(refunds) == [RefundStatus::Succeeded]).await;
    assert_ne!(app.get(&order.id).await.updated_at, before);
}

/// A change that was concurrent to the return of its units has scheduled it.
#[tokio::test]
async fn a_refund_with_nothing_left_to_do_is_claimed_once() {
    let app = StripeApp::start().await;
    let order = app.paid_order().await;
    app.refund(returning(&order, &[(MUG, 1)])).await.unwrap();
    app.execute("update orders.refunds set next_attempt_at = now()").await;
    let scheduled = "select count(*) from orders.refunds where order_id = $1 and next_attempt_at is not null";
    let started = Instant::now();
    while sqlx::query_scalar::<_, i64>(scheduled).bind(id(&order)).fetch_one(&app.db).await.unwrap() > 0 {
        assert!(started.elapsed() < SOON, "it stays scheduled");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(app.catalog.return_count(), 1);
}

/// Otherwise a unit that is not to be sold again is released with the others.
#[tokio::test]
async fn stock_is_released_once_open_refunds_of_its_units_are_accepted_or_rejected() {
    for (fault, ended, available) in
        [(Fault::DropAfter, RefundStatus::Succeeded, 999), (Fault::DropBefore, RefundStatus::Failed, 1000)]
    {
        let app = StripeApp::start().await;
        let order = app.new_order(&[(MUG, 2)]).await;
        let intent = app.create_intent(&order).await.unwrap();
        app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
        app.stripe.delivered().await;
        app.stripe.fail_next(Operation::Refund, fault, 2);
        let refund = app.refund(returning(&order, &[(MUG, 1)])).await.unwrap();
        assert_eq!(refund.status(), RefundStatus::Pending);
        app.execute("update orders.refunds set next_attempt_at = now() + interval '1 h'").await;
        app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
        app.wait_for(&order, Cancelled, Refunded, SOON).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(app.catalog.available(MUG), 998, "nothing is released");
        app.execute("update orders.refunds set next_attempt_at = now()").await;
        app.wait_for_refunds(&order, |refunds| statuses(refunds) == [ended]).await;
        app.assert_returns_add_up().await;
        assert_eq!(app.catalog.available(MUG), available);
        assert_eq!(app.stripe.total_refunded(), 2 * MUG_PRICE);
    }
}
