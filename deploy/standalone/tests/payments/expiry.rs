//! Orders whose payment was started and never completed expire.

use std::time::Duration;

use bodega_stripe_double::{Card, IntentStatus};

use crate::harness::{
    payments::{PaymentTest, history, make_unreachable},
    store::eventually,
};

#[tokio::test]
async fn expires_unpaid_orders_and_returns_their_stock() {
    let test = PaymentTest::start_with_options(&["--payment-window", "2s"]).await;
    let (ada, order) = test.order("ada").await;
    let mug = order["products"][0]["productId"].as_i64().unwrap();
    let (grace, without) = test.order("grace").await;
    let intent = ada.start_payment(&order).await.expect(200).json;

    let updated = ada.wait_for_order(&order, "cancelled").await;
    assert_eq!(history(&updated), ["pending", "pending requires_payment", "pending cancelled", "cancelled"]);
    assert_eq!(test.status_of(&intent), IntentStatus::Canceled);
    assert_eq!(test.pay(&intent, Card::Visa).await, "canceled");
    eventually("the stock is back", async || ada.stock_of(mug).await == 100).await;
    ada.start_payment(&order).await.expect_problem(409, "order_not_payable");
    let without = grace.wait_for_order(&without, "cancelled").await;
    assert_eq!(history(&without), ["pending", "cancelled"], "no payment was started");
    test.verify().await;
}

/// The customer pays in the last moment, and the webhook event is lost.
#[tokio::test]
async fn does_not_expire_orders_that_turn_out_paid() {
    let test = PaymentTest::start_without_webhooks(&["--payment-window", "3s"]).await;
    let (ada, order) = test.order("ada").await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    make_unreachable(&test.stripe);
    test.pay(&intent, Card::Visa).await;
    // The payment window ends before Stripe can be polled.
    tokio::time::sleep(Duration::from_secs(4)).await;
    test.stripe.clear_faults();
    let updated = ada.wait_for_order(&order, "paid").await;
    assert_eq!(history(&updated), ["pending", "pending requires_payment", "paid completed"]);
    test.verify().await;
}

#[tokio::test]
async fn orders_do_not_expire_without_a_payment_window() {
    let test = PaymentTest::start_with_options(&["--payment-window", "off"]).await;
    let (ada, order) = test.order("ada").await;
    ada.start_payment(&order).await.expect(200);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(ada.order(&order).await["status"], "pending");
    test.verify().await;
}
