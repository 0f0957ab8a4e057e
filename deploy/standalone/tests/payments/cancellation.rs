//! Cancelling: line 72; row `POST /api/orders/{id}/cancel` of the contract.

use std::collections::BTreeMap;

use bodega_stripe_double::{Card, IntentStatus, Outcome, RefundStatus};
use futures_util::future::join_all;

use crate::harness::{
    payments::{Till, break_down, history, payment_of},
    store::eventually,
};

/// Its intent is called off, so that nobody pays for what is not coming.
#[tokio::test]
async fn an_order_that_is_cancelled_while_it_is_paid_for_can_not_be_paid_any_more() {
    let till = Till::open().await;
    let (ada, order) = till.order("ada").await;
    let intent = ada.begin_payment(&order).await.expect(200).json;
    ada.cancel(&order).await.expect(200);
    eventually("it is called off", async || till.status_of(&intent) == IntentStatus::Canceled).await;
    assert_eq!(till.pay(&intent, Card::Visa).await, "canceled");
    let seen = ada.see_payment(&order, "stripe failed").await;
    assert_eq!(history(&seen), ["pending", "pending requires_payment", "cancelled", "cancelled failed"]);
    ada.begin_payment(&order).await.expect_problem(409, "order_not_payable");
    let mug = order["products"][0]["productId"].as_i64().unwrap();
    eventually("the stock is back", async || ada.stock_of(mug).await == 100).await;
    till.verify().await;
}

#[tokio::test]
async fn a_paid_order_that_is_cancelled_gives_the_money_back() {
    let till = Till::open().await;
    let (ada, order) = till.paid_order("ada").await;
    ada.cancel(&order).await.expect(200);
    let seen = ada.see_payment(&order, "stripe refunded").await;
    assert_eq!(
        history(&seen),
        [
            "pending",
            "pending requires_payment",
            "paid completed",
            "cancelled refund_pending",
            "cancelled refunded"
        ]
    );
    assert_eq!((till.stripe.refunds().len(), till.stripe.total_refunded()), (1, 3998));
    let mug = order["products"][0]["productId"].as_i64().unwrap();
    eventually("the stock is back", async || ada.stock_of(mug).await == 100).await;
    till.verify().await;
}

/// Fifty cancels, and the event of the payment among them.
#[tokio::test]
async fn an_order_that_is_cancelled_fifty_times_while_it_is_paid_is_refunded_once() {
    let till = Till::open().await;
    for round in 0..4 {
        let (ada, order) = till.order(&format!("ada{round}")).await;
        let intent = ada.begin_payment(&order).await.expect(200).json;
        let (paid, answers) =
            tokio::join!(till.pay(&intent, Card::Visa), join_all((0..50).map(|_| ada.cancel(&order))));
        let mut tally = BTreeMap::new();
        for answer in &answers {
            *tally.entry((answer.status, answer.code())).or_insert(0) += 1;
        }
        assert_eq!(tally, BTreeMap::from([((200, ""), 1), ((409, "invalid_transition"), 49)]));
        let is_paid = paid == "succeeded";
        let seen = ada.see_payment(&order, if is_paid { "stripe refunded" } else { "stripe failed" }).await;
        assert_eq!(seen["status"], "cancelled");
        assert_eq!(till.stripe.refunds_of(order["id"].as_str().unwrap()).len(), usize::from(is_paid));
    }
    till.verify().await;
}

#[tokio::test]
async fn what_was_sent_off_is_not_cancelled_and_its_money_stays() {
    let till = Till::open().await;
    let (ada, order) = till.paid_order("ada").await;
    for status in ["shipped", "completed"] {
        till.shop.admin().update_order_status(&order, status).await.expect(200);
        ada.cancel(&order).await.expect_problem(409, "invalid_transition");
        till.shop.admin().cancel(&order).await.expect_problem(409, "invalid_transition");
    }
    assert_eq!(payment_of(&ada.order(&order).await), "stripe completed");
    assert_eq!(till.stripe.refunds().len(), 0);
    till.verify().await;
}

/// The order is cancelled at once; the money follows when Stripe is there again.
#[tokio::test]
async fn a_refund_waits_for_a_provider_that_is_down() {
    let till = Till::open().await;
    let (ada, order) = till.paid_order("ada").await;
    break_down(&till.stripe);
    let cancelled = ada.cancel(&order).await.expect(200).json;
    assert_eq!(
        (cancelled["status"].as_str(), payment_of(&cancelled)),
        (Some("cancelled"), "stripe refund_pending".to_owned())
    );
    till.stripe.clear_faults();
    ada.see_payment(&order, "stripe refunded").await;
    assert_eq!(till.stripe.refunds().len(), 1);
    till.verify().await;
}

/// Money that arrives for an order that is cancelled already: its intent could not be called off in time.
#[tokio::test]
async fn money_that_comes_for_a_cancelled_order_goes_back_by_itself() {
    let till = Till::open().await;
    let (ada, order) = till.order("ada").await;
    let intent = ada.begin_payment(&order).await.expect(200).json;
    break_down(&till.stripe);
    ada.cancel(&order).await.expect(200);
    assert_eq!(till.pay(&intent, Card::Visa).await, "succeeded");
    till.stripe.clear_faults();
    let seen = ada.see_payment(&order, "stripe refunded").await;
    assert_eq!(seen["status"], "cancelled");
    assert_eq!(
        history(&seen)[2..],
        ["cancelled", "cancelled completed", "cancelled refund_pending", "cancelled refunded"]
    );
    assert_eq!(till.stripe.refunds().len(), 1);
    till.verify().await;
}

/// A refund may take days, and come back: then there is another one.
#[tokio::test]
async fn a_refund_that_fails_is_made_again() {
    let till = Till::open().await;
    let (ada, order) = till.paid_order("ada").await;
    till.stripe.set_refund_status(RefundStatus::Pending);
    ada.cancel(&order).await.expect(200);
    eventually("the refund is under way", async || till.stripe.refunds().len() == 1).await;
    assert_eq!(payment_of(&ada.order(&order).await), "stripe refund_pending");
    till.stripe.set_refund_status(RefundStatus::Succeeded);
    assert!(till.stripe.settle_refund(&till.stripe.refunds()[0].id, Outcome::Fails));
    ada.see_payment(&order, "stripe refunded").await;
    assert_eq!((till.stripe.refunds().len(), till.stripe.total_refunded()), (2, 3998));
    till.verify().await;
}
