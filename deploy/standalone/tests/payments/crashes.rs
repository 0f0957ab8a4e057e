//! The store crashes during a payment.

use bodega_embedded_postgres::testing::TempDir;
use bodega_stripe_double::{Card, StripeDouble};
use serde_json::Value;
use tokio::process::Command;

use crate::harness::{
    binary::{RunningStore, bodega, start_bodega, stdout_of},
    payments::{self, history, pay, payment_of, withhold_responses},
    process,
    store::{Client, eventually, retry_while_unavailable},
};

const EMAIL: &str = "ada@shop.example";
const PASSWORD: &str = "tea at four";

/// `bodega` on this directory, with Stripe keys and a fixed admin.
fn command(dir: &TempDir, stripe: &StripeDouble) -> Command {
    let mut command = bodega(dir.path(), &["--demo=false"]);
    command.env("BODEGA_ADMIN_EMAIL", EMAIL).env("BODEGA_ADMIN_PASSWORD", PASSWORD);
    command.envs(payments::variables(stripe));
    command
}

/// Starts a store whose admin has placed an order.
async fn start_with_order(dir: &TempDir, stripe: &StripeDouble) -> (RunningStore, Client, Value) {
    let store = start_bodega(&mut command(dir, stripe)).await;
    let ada = store.sign_in(EMAIL, PASSWORD).await;
    let mug = ada.create_product("Mug", "19.99", 9).await;
    let order = ada.buy(mug, 2).await;
    (store, ada, order)
}

async fn restart(dir: &TempDir, stripe: &StripeDouble) -> (RunningStore, Client) {
    process::wait_until_unused(dir.path()).await;
    let store = start_bodega(&mut command(dir, stripe)).await;
    let ada = store.sign_in(EMAIL, PASSWORD).await;
    (store, ada)
}

async fn verify_and_stop(dir: &TempDir, stripe: &StripeDouble, store: RunningStore) {
    assert!(stdout_of(&mut bodega(dir.path(), &["verify"])).await.contains("checks passed"));
    assert_eq!(stripe.check(), Vec::<String>::new());
    assert!(store.process.terminate().await.success());
}

#[tokio::test]
async fn a_crash_between_charge_and_event_loses_no_payment() {
    let dir = TempDir::new("killed-charge").unwrap();
    let stripe = payments::stripe().await;
    let (store, ada, order) = start_with_order(&dir, &stripe).await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    store.process.kill().await;
    pay(&stripe, &intent, Card::Visa).await;

    let (store, ada) = restart(&dir, &stripe).await;
    let paid = ada.wait_for_order(&order, "paid").await;
    assert_eq!(history(&paid), ["pending", "pending requires_payment", "paid completed"]);
    assert_eq!(payment_of(&paid), "stripe completed");
    verify_and_stop(&dir, &stripe, store).await;
}

/// The response of Stripe is lost with the process; the next request returns the same intent.
#[tokio::test]
async fn a_crash_during_intent_creation_keeps_the_intent() {
    let dir = TempDir::new("killed-intent").unwrap();
    let stripe = payments::stripe().await;
    let (store, ada, order) = start_with_order(&dir, &stripe).await;
    withhold_responses(&stripe);
    let call = {
        let (ada, order) = (ada.clone(), order.clone());
        tokio::spawn(async move { ada.start_payment(&order).await })
    };
    eventually("the intent is created", async || stripe.intents().len() == 1).await;
    store.process.kill().await;
    assert!(call.await.is_err(), "there was no response");
    stripe.clear_faults();

    let (store, ada) = restart(&dir, &stripe).await;
    // The lease of the crashed process must end first.
    let intent = retry_while_unavailable(async || ada.start_payment(&order).await).await.expect(200).json;
    assert_eq!(stripe.intents()[0].id, intent["paymentIntentId"].as_str().unwrap());
    pay(&stripe, &intent, Card::Visa).await;
    ada.wait_for_order(&order, "paid").await;
    assert_eq!(stripe.intents().len(), 1);
    verify_and_stop(&dir, &stripe, store).await;
}

/// The store dies before the refund.
#[tokio::test]
async fn a_crash_between_cancellation_and_refund_refunds_once() {
    let dir = TempDir::new("killed-refund").unwrap();
    let stripe = payments::stripe().await;
    let (store, ada, order) = start_with_order(&dir, &stripe).await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    pay(&stripe, &intent, Card::Visa).await;
    ada.wait_for_order(&order, "paid").await;
    withhold_responses(&stripe);
    let call = {
        let (ada, order) = (ada.clone(), order.clone());
        tokio::spawn(async move { ada.cancel(&order).await })
    };
    eventually("the refund is created", async || stripe.refunds().len() == 1).await;
    store.process.kill().await;
    drop(call.await);
    stripe.clear_faults();

    let (store, ada) = restart(&dir, &stripe).await;
    let updated = ada.wait_for_payment(&order, "stripe refunded").await;
    assert_eq!(updated["status"], "cancelled");
    assert_eq!(stripe.refunds().len(), 1);
    verify_and_stop(&dir, &stripe, store).await;
}
