//! Card payments.

use std::collections::BTreeSet;

use bodega_stripe_double::{Card, Fault, IntentStatus, Operation, Outcome};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    payments::{PaymentTest, history, make_unreachable, payment_of},
    responses::{INTENT, ORDER, assert_fields},
    store::eventually,
};

fn id_of(intent: &Value) -> &str {
    intent["paymentIntentId"].as_str().unwrap()
}

#[tokio::test]
async fn pays_an_order_by_card() {
    let test = PaymentTest::start().await;
    // The user places an order.
    let (ada, order) = test.order("ada").await;
    // The backend creates a payment intent.
    let started = ada.start_payment(&order).await.expect(200);
    let intent = &started.json;
    assert_fields(intent, INTENT);
    assert!(
        started.text.contains(r#""status":"requires_payment","amount":39.98,"currency":"USD""#),
        "{started:?}"
    );
    assert_eq!(
        (&intent["provider"], &intent["publishableKey"]),
        (&json!("stripe"), &json!(test.stripe.options().publishable_key))
    );
    let id = id_of(intent);
    assert!(
        id.starts_with("pi_")
            && intent["clientSecret"].as_str().unwrap().starts_with(&format!("{id}_secret_"))
    );
    let waiting = ada.order(&order).await;
    assert_eq!(
        (payment_of(&waiting), &waiting["status"]),
        ("stripe requires_payment".to_owned(), &json!("pending"))
    );
    // The client completes the card payment.
    assert_eq!(test.pay(intent, Card::Visa).await, "succeeded");
    assert_eq!(test.stripe.total_charged(), 3998);
    // The webhook confirms it, and the order is paid and its payment is completed.
    let paid = ada.wait_for_order(&order, "paid").await;
    assert_fields(&paid, ORDER);
    assert_eq!(payment_of(&paid), "stripe completed");
    assert_eq!(history(&paid), ["pending", "pending requires_payment", "paid completed"]);
    assert_eq!(paid["history"][2]["at"], paid["updatedAt"]);
    test.verify().await;
}

#[tokio::test]
async fn concurrent_payment_starts_create_one_intent() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.order("ada").await;
    let responses = join_all((0..50).map(|_| ada.start_payment(&order))).await;
    let intents: BTreeSet<_> = responses.into_iter().map(|response| response.expect(200).text).collect();
    assert_eq!(intents.len(), 1, "{intents:?}");
    assert_eq!(test.stripe.intents().len(), 1);
    let intent = ada.start_payment(&order).await.expect(200).json;
    let [stored] = &test.stripe.intents()[..] else { panic!("not one intent") };
    assert_eq!((stored.id.as_str(), stored.amount, &*stored.currency), (id_of(&intent), 3998, "usd"));
    assert_eq!(stored.metadata["order_id"], order["id"].as_str().unwrap());
    test.verify().await;
}

/// Confirming in two browser windows charges once.
#[tokio::test]
async fn concurrent_confirmations_charge_once() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.order("ada").await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    let statuses = join_all((0..8).map(|_| test.pay(&intent, Card::Visa))).await;
    assert!(statuses.iter().all(|status| status == "succeeded"), "{statuses:?}");
    let paid = ada.wait_for_order(&order, "paid").await;
    assert_eq!(history(&paid).len(), 3);
    assert_eq!(test.stripe.charges().len(), 1);
    ada.start_payment(&order).await.expect_problem(409, "already_paid");
    test.verify().await;
}

/// The same intent accepts another card.
#[tokio::test]
async fn a_declined_card_can_be_replaced() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.order("ada").await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    assert_eq!(test.pay(&intent, Card::Declined).await, "requires_payment_method");
    let updated = ada.wait_for_payment(&order, "stripe failed").await;
    assert_eq!(updated["status"], "pending");
    test.pay(&intent, Card::Visa).await;
    let paid = ada.wait_for_order(&order, "paid").await;
    assert_eq!(history(&paid), ["pending", "pending requires_payment", "pending failed", "paid completed"]);
    assert_eq!(payment_of(&paid), "stripe completed");
    test.verify().await;
}

/// The old intent is cancelled before a new one is created.
#[tokio::test]
async fn a_declined_payment_can_be_started_again() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.order("ada").await;
    let first = ada.start_payment(&order).await.expect(200).json;
    test.pay(&first, Card::Declined).await;
    ada.wait_for_payment(&order, "stripe failed").await;

    let second = ada.start_payment(&order).await.expect(200).json;
    assert_ne!(first["paymentIntentId"], second["paymentIntentId"]);
    assert_eq!(second["status"], "requires_payment");
    assert_eq!(test.pay(&first, Card::Visa).await, "canceled", "the first intent cannot be paid any more");
    test.pay(&second, Card::Visa).await;
    let paid = ada.wait_for_order(&order, "paid").await;
    assert_eq!(payment_of(&paid), "stripe completed");
    assert_eq!(test.stripe.total_charged(), 3998);
    test.verify().await;
}

#[tokio::test]
async fn returns_409_for_orders_that_cannot_be_paid() {
    let test = PaymentTest::start().await;
    let admin = test.store.admin();
    let (ada, order) = test.paid_order("ada").await;
    ada.start_payment(&order).await.expect_problem(409, "already_paid");
    admin.update_order_status(&order, "shipped").await.expect(200);
    ada.start_payment(&order).await.expect_problem(409, "already_paid");
    admin.update_order_status(&order, "completed").await.expect(200);
    ada.start_payment(&order).await.expect_problem(409, "already_paid");

    let (grace, order) = test.order("grace").await;
    grace.cancel(&order).await.expect(200);
    grace.start_payment(&order).await.expect_problem(409, "order_not_payable");

    // Completed without a payment in the store.
    let (joan, order) = test.order("joan").await;
    for status in ["confirmed", "shipped", "completed"] {
        admin.update_order_status(&order, status).await.expect(200);
    }
    joan.start_payment(&order).await.expect_problem(409, "order_not_payable");

    let (mary, order) = test.order("mary").await;
    admin.update_order_status(&order, "paid").await.expect(200);
    mary.start_payment(&order).await.expect_problem(409, "already_paid");
    assert_eq!(test.stripe.intents().len(), 1, "of Ada's order");
    test.verify().await;
}

/// A shipped order can be paid later, and keeps its status.
#[tokio::test]
async fn a_shipped_order_can_be_paid_later() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.order("ada").await;
    for status in ["confirmed", "shipped"] {
        test.store.admin().update_order_status(&order, status).await.expect(200);
    }
    let intent = ada.start_payment(&order).await.expect(200).json;
    test.pay(&intent, Card::Visa).await;
    let updated = ada.wait_for_payment(&order, "stripe completed").await;
    assert_eq!(updated["status"], "shipped");
    ada.start_payment(&order).await.expect_problem(409, "already_paid");
    test.verify().await;
}

/// The open intent is cancelled.
#[tokio::test]
async fn an_order_marked_as_paid_cannot_be_paid_by_card() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.order("ada").await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    test.store.admin().update_order_status(&order, "paid").await.expect(200);
    eventually("the intent is cancelled", async || test.status_of(&intent) == IntentStatus::Canceled).await;
    assert_eq!(test.pay(&intent, Card::Visa).await, "canceled");
    assert_eq!(payment_of(&ada.order(&order).await), "offline completed");
    test.verify().await;
}

/// Not even an admin can start the payment of another user's order.
#[tokio::test]
async fn users_cannot_pay_orders_of_others() {
    let test = PaymentTest::start().await;
    let (_, order) = test.order("ada").await;
    let mallory = test.store.register("mallory").await;
    for client in [&mallory, test.store.admin()] {
        client.start_payment(&order).await.expect_problem(404, "order_not_found");
    }
    test.store.guest().start_payment(&order).await.expect_problem(401, "unauthenticated");
    assert_eq!(test.stripe.intents().len(), 0);
}

/// Only the owner of the order receives the client secret.
#[tokio::test]
async fn returns_the_client_secret_to_the_owner_only() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.order("ada").await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    let secret = intent["clientSecret"].as_str().unwrap();
    for (client, path) in [
        (&ada, crate::harness::payments::path_of(&order)),
        (test.store.admin(), "/api/admin/orders".to_owned()),
    ] {
        let response = client.get(&path).await.expect(200);
        // The order has the id of the intent, which is no secret.
        assert!(!response.text.contains(secret) && !response.text.contains("_secret_"), "{response:?}");
    }
}

/// The first request fails with 503, and a retry uses the same idempotency key.
#[tokio::test]
async fn retries_an_unreachable_provider_with_the_same_key() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.order("ada").await;
    make_unreachable(&test.stripe);
    let response = ada.start_payment(&order).await.expect_problem(503, "payment_provider_unavailable");
    assert_ne!(response.header("retry-after"), "");
    test.store.guest().get("/api/products").await.expect(200);
    test.stripe.clear_faults();
    let intent = ada.start_payment(&order).await.expect(200).json;
    test.pay(&intent, Card::Visa).await;
    ada.wait_for_order(&order, "paid").await;
    assert_eq!(test.stripe.intents().len(), 1);
    test.verify().await;
}

/// Stripe replays errors of an idempotency key; a new attempt uses a new key.
#[tokio::test]
async fn recovers_from_a_replayed_error_with_a_new_attempt() {
    let test = PaymentTest::start().await;
    for (name, fault) in [("ada", Fault::ErrorBefore), ("grace", Fault::ErrorAfter)] {
        let (buyer, order) = test.order(name).await;
        test.stripe.fail_next(Operation::Create, fault, 1);
        let started = std::time::Instant::now();
        let mut response = buyer.start_payment(&order).await;
        while response.status == 503 {
            assert!(started.elapsed() < std::time::Duration::from_secs(60), "{response:?}");
            response = buyer.start_payment(&order).await;
        }
        test.pay(&response.expect(200).json, Card::Visa).await;
        buyer.wait_for_order(&order, "paid").await;
        assert_eq!(test.stripe.charges_of(order["id"].as_str().unwrap()).len(), 1);
    }
    test.verify().await;
}

/// The amount is below Stripe's minimum.
#[tokio::test]
async fn returns_409_for_an_amount_below_the_minimum() {
    let test = PaymentTest::start().await;
    let pin = test.store.admin().create_product("Pin", "0.20", 9).await;
    let ada = test.store.register("ada").await;
    let order = ada.buy(pin, 1).await;
    let rejected = ada.start_payment(&order).await.expect_problem(409, "payment_refused");
    assert!(rejected.json["detail"].as_str().unwrap().contains("at least $0.50"), "{rejected:?}");
    assert_eq!(ada.order(&order).await["status"], "pending", "the order may be paid offline");
    test.verify().await;
}

/// The bank requires authentication, or processes the payment slowly.
#[tokio::test]
async fn a_slow_payment_is_processing() {
    let test = PaymentTest::start().await;
    for (name, card, waiting) in
        [("ada", Card::AuthenticationRequired, "requires_payment"), ("grace", Card::Slow, "processing")]
    {
        let (buyer, order) = test.order(name).await;
        let intent = buyer.start_payment(&order).await.expect(200).json;
        test.pay(&intent, card).await;
        test.stripe.delivered().await;
        let updated = buyer.wait_for_payment(&order, &format!("stripe {waiting}")).await;
        assert_eq!(updated["status"], "pending");
        assert_eq!(buyer.start_payment(&order).await.expect(200).json["status"], waiting, "the same intent");
        assert!(test.stripe.settle_intent(id_of(&intent), Outcome::Succeeds));
        buyer.wait_for_order(&order, "paid").await;
    }
    let (joan, order) = test.order("joan").await;
    let intent = joan.start_payment(&order).await.expect(200).json;
    test.pay(&intent, Card::Slow).await;
    joan.wait_for_payment(&order, "stripe processing").await;
    test.stripe.settle_intent(id_of(&intent), Outcome::Fails);
    let updated = joan.wait_for_payment(&order, "stripe failed").await;
    assert_eq!(
        history(&updated),
        ["pending", "pending requires_payment", "pending processing", "pending failed"]
    );
    test.verify().await;
}
