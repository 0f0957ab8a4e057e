//! Webhook events of Stripe.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bodega_stripe_double::{Card, DeliveryPolicy, signature_header};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    payments::{PaymentTest, WEBHOOK, history, payment_of},
    store::{Client, Response},
};

impl PaymentTest {
    /// Sends a webhook request with this signature header.
    async fn post_event(&self, body: &str, signature: Option<&str>) -> Response {
        let guest = self.store.guest();
        let mut request = guest.request(Method::POST, WEBHOOK).header("content-type", "application/json");
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        guest.send(request.body(body.to_owned())).await
    }

    /// Sends a webhook request that is signed now.
    async fn post_signed(&self, body: &str) -> Response {
        self.post_event(body, Some(&self.stripe.sign(body.as_bytes(), now()))).await
    }

    /// An event of this type about an intent.
    fn event(&self, id: &str, kind: &str, intent: &Value) -> Value {
        with(&self.stripe.event(kind, intent), "id", json!(id))
    }

    /// The latest intent, as if it had succeeded.
    fn succeeded(&self) -> Value {
        let intent = self.stripe.intents().into_iter().next_back().unwrap();
        let object = self.stripe.object(&intent.id).unwrap();
        with(&with(&object, "status", json!("succeeded")), "amount_received", json!(intent.amount))
    }

    /// The stored events: type and outcome, in the order of their arrival.
    async fn events(&self) -> Vec<(String, Option<String>)> {
        sqlx::query_as("select kind, outcome from orders.provider_events order by received_at, id")
            .fetch_all(&self.store.sql().await)
            .await
            .unwrap()
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(elapsed.as_secs()).unwrap()
}

/// A copy of an object with one field set.
fn with(object: &Value, field: &str, value: Value) -> Value {
    let mut object = object.clone();
    object[field] = value;
    object
}

#[tokio::test]
async fn rejects_events_with_an_invalid_signature() {
    let test = PaymentTest::start_without_webhooks(&[]).await;
    let (ada, order) = test.order("ada").await;
    ada.start_payment(&order).await.expect(200);
    let body = test.event("evt_1", "payment_intent.succeeded", &test.succeeded()).to_string();
    let sign = |body: &str, secret: &str, at| signature_header(body.as_bytes(), at, &[secret]);
    let secret = &*test.stripe.options().webhook_secret;
    let good = sign(&body, secret, now());
    let (_, value) = good.split_once("v1=").unwrap();
    for (what, header) in [
        ("none", None),
        ("nothing", Some(String::new())),
        ("something", Some("x".to_owned())),
        ("another secret", Some(sign(&body, "whsec_of_another_account", now()))),
        ("another body", Some(sign(&body.replace("3998", "1"), secret, now()))),
        ("too old", Some(sign(&body, secret, now() - 310))),
        ("from the future", Some(sign(&body, secret, now() + 310))),
        ("its time changed", Some(format!("t={},v1={value}", now() + 1))),
        ("without a time", Some(format!("v1={value}"))),
        ("of another scheme", Some(good.replace("v1=", "v0="))),
        ("half of it", Some(good[..good.len() - 2].to_owned())),
    ] {
        let response = test.post_event(&body, header.as_deref()).await;
        assert_eq!((response.status, response.code()), (400, "invalid_signature"), "{what}: {response:?}");
        assert_eq!(response.header("content-type"), "application/problem+json", "{what}");
    }
    assert_eq!(test.events().await, []);
    assert_eq!(payment_of(&ada.order(&order).await), "stripe requires_payment");
    test.verify().await;
}

#[tokio::test]
async fn rejects_signed_bodies_that_are_not_events() {
    let test = PaymentTest::start_without_webhooks(&[]).await;
    let event = test.event("evt_1", "payment_intent.succeeded", &json!({"id": "pi_1"}));
    for body in ["", "{", "null", "[]", "{}", "\u{0}", &event.to_string()] {
        test.post_signed(body).await.expect_problem(400, "invalid_event");
    }
    let large = test.post_signed(&"x".repeat(2 * 1024 * 1024)).await;
    assert_eq!((large.status, large.header("content-type")), (413, "application/problem+json"), "{large:?}");
    assert_eq!(test.events().await, []);
}

#[tokio::test]
async fn ignores_other_event_types() {
    let test = PaymentTest::start_without_webhooks(&[]).await;
    for kind in ["customer.created", "invoice.paid", "charge.succeeded", "no.such.kind"] {
        let event = test.event(&format!("evt_{kind}"), kind, &json!({"id": "x_1"}));
        test.post_signed(&event.to_string()).await.expect(200);
    }
    assert_eq!(test.events().await, []);
}

#[tokio::test]
async fn applies_a_duplicate_event_once() {
    let test = PaymentTest::start_without_webhooks(&[]).await;
    let (ada, order) = test.order("ada").await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    test.pay(&intent, Card::Visa).await;
    let succeeded = test.succeeded();
    let paid = test.event("evt_2", "payment_intent.succeeded", &succeeded).to_string();
    let responses = join_all((0..20).map(|_| test.post_signed(&paid))).await;
    responses.into_iter().for_each(|response| drop(response.expect(200)));
    // An older event arrives late.
    for (id, kind) in [("evt_1", "payment_intent.created"), ("evt_0", "payment_intent.payment_failed")] {
        let event = test.event(id, kind, &with(&succeeded, "status", json!("requires_payment_method")));
        test.post_signed(&event.to_string()).await.expect(200);
    }
    let order = ada.order(&order).await;
    assert_eq!(history(&order), ["pending", "pending requires_payment", "paid completed"]);
    let outcome = |outcome: &str| Some(outcome.to_owned());
    assert_eq!(
        test.events().await,
        [
            ("payment_intent.succeeded".to_owned(), outcome("applied")),
            ("payment_intent.created".to_owned(), outcome("unchanged")),
            ("payment_intent.payment_failed".to_owned(), outcome("unchanged")),
        ]
    );
    test.verify().await;
}

/// A correctly signed event that does not match the order changes nothing, and is stored.
#[tokio::test]
async fn ignores_events_that_do_not_match_the_order() {
    let test = PaymentTest::start_without_webhooks(&[]).await;
    let (ada, order) = test.order("ada").await;
    ada.start_payment(&order).await.expect(200);
    let (_, other) = test.order("grace").await;
    let intent = test.stripe.intents_of(order["id"].as_str().unwrap()).remove(0);
    let succeeded = test.stripe.object(&intent.id).unwrap();
    let succeeded =
        with(&with(&succeeded, "status", json!("succeeded")), "amount_received", succeeded["amount"].clone());
    let paid = |id: &str, intent: &Value| test.event(id, "payment_intent.succeeded", intent);
    let of_other =
        json!({"order_id": other["id"], "payment_id": succeeded["metadata"]["payment_id"], "attempt": "1"});
    for (event, outcome) in [
        (paid("evt_amount", &with(&succeeded, "amount_received", json!(3997))), "wrong_amount"),
        (paid("evt_currency", &with(&succeeded, "currency", json!("eur"))), "wrong_currency"),
        (paid("evt_order", &with(&succeeded, "metadata", of_other)), "wrong_order"),
        (paid("evt_intent", &with(&succeeded, "id", json!("pi_other"))), "wrong_intent"),
        (with(&paid("evt_live", &succeeded), "livemode", json!(true)), "wrong_account"),
        (with(&paid("evt_connected", &succeeded), "account", json!("acct_1")), "wrong_account"),
    ] {
        test.post_signed(&event.to_string()).await.expect(200);
        let stored: Option<String> =
            sqlx::query_scalar("select outcome from orders.provider_events where id = $1")
                .bind(event["id"].as_str().unwrap())
                .fetch_one(&test.store.sql().await)
                .await
                .unwrap();
        assert_eq!(stored.as_deref(), Some(outcome), "{event}");
        let updated = ada.order(&order).await;
        assert_eq!(
            (updated["status"].as_str(), payment_of(&updated)),
            (Some("pending"), "stripe needs_review".to_owned())
        );
    }
    test.verify().await;
}

/// The store polls Stripe.
#[tokio::test]
async fn pays_orders_by_polling_if_all_events_are_lost() {
    let test = PaymentTest::start_without_webhooks(&[]).await;
    let (ada, order) = test.order("ada").await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    test.pay(&intent, Card::Visa).await;
    let paid = ada.wait_for_order(&order, "paid").await;
    assert_eq!(history(&paid), ["pending", "pending requires_payment", "paid completed"]);
    assert_eq!(test.events().await, []);
    test.verify().await;
}

/// A refund in Stripe's dashboard.
#[tokio::test]
async fn applies_refunds_made_at_stripe() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.paid_order("ada").await;
    let key = format!("Bearer {}", test.stripe.options().secret_key);
    let owner = Client::at(test.stripe.url()).with("authorization", &key);
    let form = [("payment_intent", &*test.stripe.intents()[0].id)];
    owner.send(owner.request(Method::POST, "/v1/refunds").form(&form)).await.expect(200);
    let updated = ada.wait_for_payment(&order, "stripe refunded").await;
    assert_eq!(updated["status"], "cancelled");
    test.verify().await;
}

/// Stripe signs with both secrets during a rotation; the store knows the old one only.
#[tokio::test]
async fn accepts_the_old_secret_during_a_rotation() {
    let test = PaymentTest::start().await;
    test.stripe.roll_webhook_secret("whsec_TheNextOne");
    test.stripe.sign_with_v0(true);
    test.paid_order("ada").await;
    test.stripe.delivered().await;
    assert!(test.stripe.deliveries().iter().all(|delivery| delivery.status == Some(200)));
    test.verify().await;
}

/// Each event three times, in random order, while clients pay and cancel.
#[tokio::test]
async fn duplicate_and_reordered_events_lead_to_the_right_state() {
    let test = PaymentTest::start().await;
    let window = Duration::from_millis(500);
    test.stripe.set_delivery_policy(DeliveryPolicy { duplicates: 2, window, ..DeliveryPolicy::default() });
    let mut expected = Vec::new();
    for index in 0..6 {
        let (buyer, order) = test.order(&format!("buyer{index}")).await;
        let intent = buyer.start_payment(&order).await.expect(200).json;
        test.pay(&intent, Card::Declined).await;
        test.pay(&intent, Card::Visa).await;
        let is_cancelled = index % 2 == 0;
        if is_cancelled {
            buyer.cancel(&order).await.expect(200);
        }
        let payment = if is_cancelled { "stripe refunded" } else { "stripe completed" };
        expected.push((buyer, order, payment));
    }
    test.stripe.delivered().await;
    for (buyer, order, payment) in &expected {
        buyer.wait_for_payment(order, payment).await;
    }
    test.verify().await;
}
