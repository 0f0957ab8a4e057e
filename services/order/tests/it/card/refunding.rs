//! Money that goes back.

use std::time::Duration;

use bodega_proto::order::v1::{
    OrderStatus::{Cancelled, Paid},
    PaymentStatus::{Completed, RefundPending, Refunded, RequiresPayment},
};
use bodega_stripe_double::{Card, Fault, IntentStatus, Operation, Outcome, RefundStatus};
use futures_util::future::join_all;
use serde_json::json;

use super::{CardShop, altered, payment_of, payment_steps};
use crate::shop::{MUG, MUG_PRICE};

/// What is stuck is resolved within this time of its services being up.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_that_is_cancelled_is_refunded_once_whoever_else_cancels_it() {
    let shop = CardShop::open().await;
    for _ in 0..5 {
        let order = shop.shop.order(&[(MUG, 1)]).await;
        let owner = order.user_id.parse().unwrap();
        let intent = shop.pay(&order).await.unwrap();
        shop.stripe.pause_deliveries();
        shop.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
        // The event that pays the order is on its way while it is cancelled.
        let cancels = join_all((0..50).map(|_| shop.shop.cancel(owner, &order.id)));
        let (cancelled, ()) = tokio::join!(cancels, async { shop.stripe.flush_deliveries() });
        assert_eq!(cancelled.iter().filter(|answer| answer.is_ok()).count(), 1);

        let order = shop.until(&order, Cancelled, Refunded, SOON).await;
        assert_eq!(payment_steps(&order), [RequiresPayment, Completed, RefundPending, Refunded]);
        let refunds = shop.stripe.refunds_of(&order.id);
        assert_eq!((refunds.len(), refunds[0].amount), (1, MUG_PRICE));
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn money_that_arrives_for_a_cancelled_order_goes_back_by_itself() {
    let shop = CardShop::open().await;
    shop.stripe.pause_deliveries();
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let intent = shop.pay(&order).await.unwrap();
    shop.stripe.confirm(&intent.client_secret, Card::Slow).await.unwrap();
    shop.shop.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    shop.stripe.settle_intent(&intent.id, Outcome::Succeeds);
    shop.stripe.flush_deliveries();
    shop.until(&order, Cancelled, Refunded, SOON).await;
    assert_eq!(shop.stripe.total_refunded(), MUG_PRICE);
    shop.assert_sound().await;
}

#[tokio::test]
async fn an_intent_of_a_cancelled_order_can_no_longer_be_paid() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let intent = shop.pay(&order).await.unwrap();
    shop.shop.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    let status = shop.stripe.intent(&intent.id).unwrap().status;
    assert_eq!(status, IntentStatus::Canceled, "when the answer is there");
    assert_eq!(shop.shop.catalog.left(MUG), 1000);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_card_payment_is_called_off_when_an_admin_has_seen_the_money() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let intent = shop.pay(&order).await.unwrap();
    let paid = shop.shop.change(&order.id, Paid).await.unwrap();
    assert_eq!((payment_of(&paid), paid.payment.unwrap().provider.as_str()), (Completed, "offline"));
    assert_eq!(shop.stripe.intent(&intent.id).unwrap().status, IntentStatus::Canceled);

    // And where the shopper was faster, the money goes back.
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let intent = shop.pay(&order).await.unwrap();
    shop.stripe.pause_deliveries();
    shop.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    shop.shop.change(&order.id, Paid).await.unwrap();
    let started = std::time::Instant::now();
    while shop.stripe.total_refunded() != MUG_PRICE {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shop.stripe.flush_deliveries();
    shop.stripe.delivered().await;
    assert_eq!(shop.shop.get(&order.id).await.status(), Paid, "it is paid, offline");
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_refund_whose_reply_is_lost_or_an_error_is_not_made_twice() {
    let shop = CardShop::open().await;
    for fault in
        [Fault::DropAfter, Fault::DropBefore, Fault::ErrorAfter, Fault::ErrorBefore, Fault::RateLimited]
    {
        let order = shop.paid_order().await;
        shop.stripe.pause_deliveries();
        shop.stripe.fail_next(Operation::Refund, fault, 2);
        shop.shop.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
        shop.until(&order, Cancelled, Refunded, SOON).await;
        let refunds = shop.stripe.refunds_of(&order.id);
        assert_eq!((refunds.len(), refunds[0].amount), (1, MUG_PRICE), "{fault:?}");
        shop.stripe.clear_faults();
        shop.stripe.flush_deliveries();
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_refund_takes_its_time_and_is_made_again_when_it_fails() {
    let shop = CardShop::open().await;
    shop.stripe.set_refund_status(RefundStatus::Pending);
    let order = shop.paid_order().await;
    shop.shop.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    shop.stripe.delivered().await; // that it is made, which is not all
    let pending = shop.shop.get(&order.id).await;
    assert_eq!((pending.status(), payment_of(&pending)), (Cancelled, RefundPending));

    let refund = &shop.stripe.refunds_of(&order.id)[0];
    shop.stripe.set_refund_status(RefundStatus::Succeeded);
    shop.stripe.settle_refund(&refund.id, Outcome::Fails);
    shop.until(&order, Cancelled, Refunded, SOON).await;
    assert_eq!(shop.stripe.refunds_of(&order.id).len(), 1, "the other has failed");
    assert_eq!(shop.stripe.total_refunded(), MUG_PRICE);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_refund_that_a_killed_process_left_is_made_by_the_next() {
    let mut shop = CardShop::open().await;
    let order = shop.paid_order().await;
    shop.stripe.pause_deliveries();
    shop.stripe.fail_next(Operation::Refund, Fault::DropAfter, 1);
    shop.shop.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    shop.shop.restart().await;
    shop.until(&order, Cancelled, Refunded, SOON).await;
    assert_eq!(shop.stripe.refunds_of(&order.id).len(), 1);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_refund_that_stripe_refuses_for_now_is_asked_for_under_another_key() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let intent = shop.pay(&order).await.unwrap();
    shop.stripe.pause_deliveries();
    let object = altered(
        shop.stripe.object(&intent.id).unwrap(),
        &[("/status", json!("succeeded")), ("/amount_received", json!(MUG_PRICE))],
    );
    // As if Stripe had not enough of our money: it keeps that answer, under the key.
    let ahead = shop.stripe.event("payment_intent.succeeded", &object);
    assert_eq!(shop.stripe.post_event(&ahead).await, Some(200));
    shop.shop.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    assert_eq!(payment_of(&shop.shop.get(&order.id).await), RefundPending);
    shop.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    shop.until(&order, Cancelled, Refunded, SOON).await;
    assert_eq!(shop.stripe.refunds_of(&order.id).len(), 1);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_failure_that_is_heard_of_late_does_not_count_for_the_next_refund() {
    let shop = CardShop::open().await;
    shop.stripe.set_refund_status(RefundStatus::Pending);
    let order = shop.paid_order().await;
    shop.shop.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    let replica = shop.shop.replica().await;
    let first = &shop.stripe.refunds_of(&order.id)[0];
    shop.stripe.settle_refund(&first.id, Outcome::Fails);
    // One replica learns of it late; meanwhile the other does, and makes the next.
    shop.stripe.fail_next(Operation::Retrieve, Fault::DelayAfter(Duration::from_secs(2)), 1);
    let looks = shop.stripe.calls_of(Operation::Retrieve);
    while shop.stripe.refunds_of(&order.id).is_empty() {
        look_now(&shop).await;
    }
    assert!(shop.stripe.calls_of(Operation::Retrieve) > looks + 1, "both have asked");
    tokio::time::sleep(Duration::from_secs(2)).await;
    look_now(&shop).await;
    assert_eq!(payment_of(&shop.shop.get(&order.id).await), RefundPending, "it is on its way");
    shop.stripe.settle_refund(&shop.stripe.refunds_of(&order.id)[0].id, Outcome::Succeeds);
    look_now(&shop).await;
    shop.until(&order, Cancelled, Refunded, SOON).await;
    replica.kill().await;
    shop.assert_sound().await;
}

/// Gives every loop the time to look at what is open.
async fn look_now(shop: &CardShop) {
    sqlx::query("update orders.payments set next_poll_at = now() where next_poll_at is not null")
        .execute(&shop.shop.db)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
}
