//! Orders whose shoppers begin to pay and do not: they are not kept for ever.

use std::time::Duration;

use bodega_stripe_double::{Card, IntentStatus};

use crate::harness::{
    payments::{Till, break_down, history},
    store::eventually,
};

#[tokio::test]
async fn an_order_that_is_not_paid_in_time_is_cancelled_and_its_stock_comes_back() {
    let till = Till::open_as(&["--payment-window", "2s"]).await;
    let (ada, order) = till.order("ada").await;
    let mug = order["products"][0]["productId"].as_i64().unwrap();
    let (_, without) = till.order("grace").await;
    let intent = ada.begin_payment(&order).await.expect(200).json;

    let seen = ada.see_order(&order, "cancelled").await;
    assert_eq!(history(&seen), ["pending", "pending requires_payment", "pending failed", "cancelled"]);
    assert_eq!(till.status_of(&intent), IntentStatus::Canceled);
    assert_eq!(till.pay(&intent, Card::Visa).await, "canceled");
    eventually("the stock is back", async || ada.stock_of(mug).await == 100).await;
    ada.begin_payment(&order).await.expect_problem(409, "order_not_payable");
    let without = till.shop.admin().order(&without).await;
    assert_eq!(without["status"], "pending", "nobody has begun to pay: it may be paid some other way");
    till.verify().await;
}

/// Paid in the last moment, and nobody has told us.
#[tokio::test]
async fn an_order_that_turns_out_paid_is_paid_and_not_cancelled() {
    let till = Till::open_deaf(&["--payment-window", "3s"]).await;
    let (ada, order) = till.order("ada").await;
    let intent = ada.begin_payment(&order).await.expect(200).json;
    break_down(&till.stripe);
    till.pay(&intent, Card::Visa).await;
    // The time is over before Stripe can be asked.
    tokio::time::sleep(Duration::from_secs(4)).await;
    till.stripe.clear_faults();
    let seen = ada.see_order(&order, "paid").await;
    assert_eq!(history(&seen), ["pending", "pending requires_payment", "paid completed"]);
    till.verify().await;
}

#[tokio::test]
async fn without_a_window_an_order_waits() {
    let till = Till::open_as(&["--payment-window", "off"]).await;
    let (ada, order) = till.order("ada").await;
    ada.begin_payment(&order).await.expect(200);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(ada.order(&order).await["status"], "pending");
    till.verify().await;
}
