//! Cancelling orders with card payments.

use std::collections::BTreeMap;

use bodega_stripe_double::{Card, IntentStatus, Outcome, RefundStatus};
use futures_util::future::join_all;

use crate::harness::{
    payments::{PaymentTest, history, make_unreachable, payment_of},
    store::eventually,
};

/// The payment intent is cancelled with the order.
#[tokio::test]
async fn cancelling_cancels_the_payment_intent() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.order("ada").await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    ada.cancel(&order).await.expect(200);
    eventually("the intent is cancelled", async || test.status_of(&intent) == IntentStatus::Canceled).await;
    assert_eq!(test.pay(&intent, Card::Visa).await, "canceled");
    let updated = ada.wait_for_payment(&order, "stripe cancelled").await;
    assert_eq!(
        history(&updated),
        ["pending", "pending requires_payment", "cancelled", "cancelled cancelled"]
    );
    ada.start_payment(&order).await.expect_problem(409, "order_not_payable");
    let mug = order["products"][0]["productId"].as_i64().unwrap();
    eventually("the stock is back", async || ada.stock_of(mug).await == 100).await;
    test.verify().await;
}

#[tokio::test]
async fn cancelling_a_paid_order_refunds_it() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.paid_order("ada").await;
    ada.cancel(&order).await.expect(200);
    let updated = ada.wait_for_payment(&order, "stripe refunded").await;
    assert_eq!(
        history(&updated),
        [
            "pending",
            "pending requires_payment",
            "paid completed",
            "cancelled refund_pending",
            "cancelled refunded"
        ]
    );
    assert_eq!((test.stripe.refunds().len(), test.stripe.total_refunded()), (1, 3998));
    let mug = order["products"][0]["productId"].as_i64().unwrap();
    eventually("the stock is back", async || ada.stock_of(mug).await == 100).await;
    test.verify().await;
}

/// The payment event arrives while the cancellations run.
#[tokio::test]
async fn concurrent_cancellations_refund_once() {
    let test = PaymentTest::start().await;
    for round in 0..4 {
        let (ada, order) = test.order(&format!("ada{round}")).await;
        let intent = ada.start_payment(&order).await.expect(200).json;
        let (paid, responses) =
            tokio::join!(test.pay(&intent, Card::Visa), join_all((0..50).map(|_| ada.cancel(&order))));
        let mut counts = BTreeMap::new();
        for response in &responses {
            *counts.entry((response.status, response.code())).or_insert(0) += 1;
        }
        assert_eq!(counts, BTreeMap::from([((200, ""), 50)]));
        let is_paid = paid == "succeeded";
        let updated =
            ada.wait_for_payment(&order, if is_paid { "stripe refunded" } else { "stripe cancelled" }).await;
        assert_eq!(updated["status"], "cancelled");
        assert_eq!(test.stripe.refunds_of(order["id"].as_str().unwrap()).len(), usize::from(is_paid));
    }
    test.verify().await;
}

#[tokio::test]
async fn shipped_orders_are_neither_cancelled_nor_refunded() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.paid_order("ada").await;
    for status in ["shipped", "completed"] {
        test.store.admin().update_order_status(&order, status).await.expect(200);
        ada.cancel(&order).await.expect_problem(409, "invalid_transition");
        test.store.admin().cancel(&order).await.expect_problem(409, "invalid_transition");
    }
    assert_eq!(payment_of(&ada.order(&order).await), "stripe completed");
    assert_eq!(test.stripe.refunds().len(), 0);
    test.verify().await;
}

/// The order is cancelled at once; the refund follows when Stripe is reachable again.
#[tokio::test]
async fn refunds_are_retried_while_the_provider_is_down() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.paid_order("ada").await;
    make_unreachable(&test.stripe);
    let cancelled = ada.cancel(&order).await.expect(200).json;
    assert_eq!(
        (cancelled["status"].as_str(), payment_of(&cancelled)),
        (Some("cancelled"), "stripe refund_pending".to_owned())
    );
    test.stripe.clear_faults();
    ada.wait_for_payment(&order, "stripe refunded").await;
    assert_eq!(test.stripe.refunds().len(), 1);
    test.verify().await;
}

/// The customer pays before the intent can be cancelled.
#[tokio::test]
async fn refunds_payments_of_cancelled_orders() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.order("ada").await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    make_unreachable(&test.stripe);
    ada.cancel(&order).await.expect(200);
    assert_eq!(test.pay(&intent, Card::Visa).await, "succeeded");
    test.stripe.clear_faults();
    let updated = ada.wait_for_payment(&order, "stripe refunded").await;
    assert_eq!(updated["status"], "cancelled");
    assert_eq!(
        history(&updated)[2..],
        ["cancelled", "cancelled completed", "cancelled refund_pending", "cancelled refunded"]
    );
    assert_eq!(test.stripe.refunds().len(), 1);
    test.verify().await;
}

/// A refund can fail days later; it is then created again.
#[tokio::test]
async fn retries_failed_refunds() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.paid_order("ada").await;
    test.stripe.set_refund_status(RefundStatus::Pending);
    ada.cancel(&order).await.expect(200);
    eventually("the refund is pending at Stripe", async || test.stripe.refunds().len() == 1).await;
    assert_eq!(payment_of(&ada.order(&order).await), "stripe refund_pending");
    test.stripe.set_refund_status(RefundStatus::Succeeded);
    assert!(test.stripe.settle_refund(&test.stripe.refunds()[0].id, Outcome::Fails));
    ada.wait_for_payment(&order, "stripe refunded").await;
    assert_eq!((test.stripe.refunds().len(), test.stripe.total_refunded()), (2, 3998));
    test.verify().await;
}
