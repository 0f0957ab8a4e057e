//! The store dies while money moves.

use bodega_embedded_postgres::testing::TempDir;
use bodega_stripe_double::{Card, StripeDouble};
use serde_json::Value;
use tokio::process::Command;

use crate::harness::{
    binary::{Open, bodega, open, says},
    payments::{self, hang, history, pay, payment_of},
    process,
    store::{Person, eventually, in_the_end},
};

const EMAIL: &str = "ada@shop.example";
const PASSWORD: &str = "tea at four";

/// `bodega` on this directory, with an account at `stripe` and an admin who is there again after a restart.
fn command(dir: &TempDir, stripe: &StripeDouble) -> Command {
    let mut command = bodega(dir.path(), &["--demo=false"]);
    command.env("BODEGA_ADMIN_EMAIL", EMAIL).env("BODEGA_ADMIN_PASSWORD", PASSWORD);
    command.envs(payments::variables(stripe));
    command
}

/// A store, and its admin with an order.
async fn open_with_order(dir: &TempDir, stripe: &StripeDouble) -> (Open, Person, Value) {
    let store = open(&mut command(dir, stripe)).await;
    let ada = store.sign_in(EMAIL, PASSWORD).await;
    let mug = ada.create_product("Mug", "19.99", 9).await;
    let order = ada.buy(mug, 2).await;
    (store, ada, order)
}

async fn reopen(dir: &TempDir, stripe: &StripeDouble) -> (Open, Person) {
    process::deserted(dir.path()).await;
    let store = open(&mut command(dir, stripe)).await;
    let ada = store.sign_in(EMAIL, PASSWORD).await;
    (store, ada)
}

async fn close(dir: &TempDir, stripe: &StripeDouble, store: Open) {
    assert!(says(&mut bodega(dir.path(), &["verify"])).await.contains("Everything adds up"));
    assert_eq!(stripe.check(), Vec::<String>::new());
    assert!(store.process.terminate().await.success());
}

#[tokio::test]
async fn a_store_that_is_killed_between_the_charge_and_its_event_finds_the_order_paid() {
    let dir = TempDir::new("killed-charge").unwrap();
    let stripe = payments::stripe().await;
    let (store, ada, order) = open_with_order(&dir, &stripe).await;
    let intent = ada.begin_payment(&order).await.expect(200).json;
    store.process.kill().await;
    pay(&stripe, &intent, Card::Visa).await;

    let (store, ada) = reopen(&dir, &stripe).await;
    let paid = ada.see_order(&order, "paid").await;
    assert_eq!(history(&paid), ["pending", "pending requires_payment", "paid completed"]);
    assert_eq!(payment_of(&paid), "stripe completed");
    close(&dir, &stripe, store).await;
}

/// The intent was made, and the store died before it had heard so: the next call has the same intent.
#[tokio::test]
async fn a_store_that_is_killed_while_an_intent_is_made_finds_the_same_one() {
    let dir = TempDir::new("killed-intent").unwrap();
    let stripe = payments::stripe().await;
    let (store, ada, order) = open_with_order(&dir, &stripe).await;
    hang(&stripe);
    let call = {
        let (ada, order) = (ada.clone(), order.clone());
        tokio::spawn(async move { ada.begin_payment(&order).await })
    };
    eventually("the intent is made", async || stripe.intents().len() == 1).await;
    store.process.kill().await;
    assert!(call.await.is_err(), "there was no answer");
    stripe.clear_faults();

    let (store, ada) = reopen(&dir, &stripe).await;
    // Whoever made the intent is not known to be dead before its lease ends.
    let intent = in_the_end(async || ada.begin_payment(&order).await).await.expect(200).json;
    assert_eq!(stripe.intents()[0].id, intent["paymentIntentId"].as_str().unwrap());
    pay(&stripe, &intent, Card::Visa).await;
    ada.see_order(&order, "paid").await;
    assert_eq!(stripe.intents().len(), 1);
    close(&dir, &stripe, store).await;
}

/// The order is cancelled, and the store died before the money went back.
#[tokio::test]
async fn a_store_that_is_killed_between_a_cancel_and_its_refund_refunds_once() {
    let dir = TempDir::new("killed-refund").unwrap();
    let stripe = payments::stripe().await;
    let (store, ada, order) = open_with_order(&dir, &stripe).await;
    let intent = ada.begin_payment(&order).await.expect(200).json;
    pay(&stripe, &intent, Card::Visa).await;
    ada.see_order(&order, "paid").await;
    hang(&stripe);
    let call = {
        let (ada, order) = (ada.clone(), order.clone());
        tokio::spawn(async move { ada.cancel(&order).await })
    };
    eventually("the refund is made", async || stripe.refunds().len() == 1).await;
    store.process.kill().await;
    drop(call.await);
    stripe.clear_faults();

    let (store, ada) = reopen(&dir, &stripe).await;
    let seen = ada.see_payment(&order, "stripe refunded").await;
    assert_eq!(seen["status"], "cancelled");
    assert_eq!(stripe.refunds().len(), 1);
    close(&dir, &stripe, store).await;
}
