//! What Stripe tells: lines 80, 81, 114, 115; row `POST /api/webhooks/stripe` of the contract.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bodega_stripe_double::{Card, DeliveryPolicy, signature_header};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    payments::{Till, WEBHOOK, history, payment_of},
    store::{Person, Response},
};

impl Till {
    /// Sends a body as an event, with this header.
    async fn post_event(&self, body: &str, signature: Option<&str>) -> Response {
        let guest = self.shop.guest();
        let mut request = guest.request(Method::POST, WEBHOOK).header("content-type", "application/json");
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        guest.send(request.body(body.to_owned())).await
    }

    /// Sends a body as Stripe does, signed now.
    async fn post_signed(&self, body: &str) -> Response {
        self.post_event(body, Some(&self.stripe.sign(body.as_bytes(), now()))).await
    }

    /// An event of this name about an intent.
    fn event(&self, id: &str, kind: &str, intent: &Value) -> Value {
        with(&self.stripe.event(kind, intent), "id", json!(id))
    }

    /// The intent that was made last, as it would be had it succeeded.
    fn succeeded(&self) -> Value {
        let intent = self.stripe.intents().into_iter().next_back().unwrap();
        let seen = self.stripe.object(&intent.id).unwrap();
        with(&with(&seen, "status", json!("succeeded")), "amount_received", json!(intent.amount))
    }

    /// What is kept of events: kind and outcome, in the order they came.
    async fn events(&self) -> Vec<(String, Option<String>)> {
        sqlx::query_as("select kind, outcome from orders.provider_events order by received_at, id")
            .fetch_all(&self.shop.sql().await)
            .await
            .unwrap()
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// An object with this in it.
fn with(object: &Value, field: &str, value: Value) -> Value {
    let mut object = object.clone();
    object[field] = value;
    object
}

#[tokio::test]
async fn an_event_that_is_not_signed_by_stripe_is_refused_and_nothing_of_it_is_kept() {
    let till = Till::open_deaf(&[]).await;
    let (ada, order) = till.order("ada").await;
    ada.begin_payment(&order).await.expect(200);
    let body = till.event("evt_1", "payment_intent.succeeded", &till.succeeded()).to_string();
    let sign = |body: &str, secret: &str, at| signature_header(body.as_bytes(), at, &[secret]);
    let secret = &*till.stripe.options().webhook_secret;
    let good = sign(&body, secret, now());
    let (_, value) = good.split_once("v1=").unwrap();
    for (what, header) in [
        ("none", None),
        ("nothing", Some(String::new())),
        ("something", Some("x".to_owned())),
        ("another secret", Some(sign(&body, "whsec_of_somebody_else", now()))),
        ("another body", Some(sign(&body.replace("3998", "1"), secret, now()))),
        ("too old", Some(sign(&body, secret, now() - 310))),
        ("from the future", Some(sign(&body, secret, now() + 310))),
        ("its time changed", Some(format!("t={},v1={value}", now() + 1))),
        ("without a time", Some(format!("v1={value}"))),
        ("of another scheme", Some(good.replace("v1=", "v0="))),
        ("half of it", Some(good[..good.len() - 2].to_owned())),
    ] {
        let answer = till.post_event(&body, header.as_deref()).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_signature"), "{what}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    }
    assert_eq!(till.events().await, []);
    assert_eq!(payment_of(&ada.order(&order).await), "stripe requires_payment");
    till.verify().await;
}

#[tokio::test]
async fn a_signed_event_that_is_none_is_refused() {
    let till = Till::open_deaf(&[]).await;
    let event = till.event("evt_1", "payment_intent.succeeded", &json!({"id": "pi_1"}));
    for body in ["", "{", "null", "[]", "{}", "\u{0}", &event.to_string()] {
        till.post_signed(body).await.expect_problem(400, "invalid_event");
    }
    let large = till.post_signed(&"x".repeat(2 * 1024 * 1024)).await;
    assert_eq!((large.status, large.header("content-type")), (413, "application/problem+json"), "{large:?}");
    assert_eq!(till.events().await, []);
}

#[tokio::test]
async fn kinds_that_are_of_no_interest_are_taken_and_let_go() {
    let till = Till::open_deaf(&[]).await;
    for kind in ["customer.created", "invoice.paid", "charge.succeeded", "no.such.kind"] {
        let event = till.event(&format!("evt_{kind}"), kind, &json!({"id": "x_1"}));
        till.post_signed(&event.to_string()).await.expect(200);
    }
    assert_eq!(till.events().await, []);
}

/// Twice, at once, late and out of order.
#[tokio::test]
async fn an_event_is_applied_once_however_often_it_comes() {
    let till = Till::open_deaf(&[]).await;
    let (ada, order) = till.order("ada").await;
    let intent = ada.begin_payment(&order).await.expect(200).json;
    till.pay(&intent, Card::Visa).await;
    let seen = till.succeeded();
    let paid = till.event("evt_2", "payment_intent.succeeded", &seen).to_string();
    let answers = join_all((0..20).map(|_| till.post_signed(&paid))).await;
    answers.into_iter().for_each(|answer| drop(answer.expect(200)));
    // What came before it comes after it.
    for (id, kind) in [("evt_1", "payment_intent.created"), ("evt_0", "payment_intent.payment_failed")] {
        let event = till.event(id, kind, &with(&seen, "status", json!("requires_payment_method")));
        till.post_signed(&event.to_string()).await.expect(200);
    }
    let order = ada.order(&order).await;
    assert_eq!(history(&order), ["pending", "pending requires_payment", "paid completed"]);
    let outcome = |outcome: &str| Some(outcome.to_owned());
    assert_eq!(
        till.events().await,
        [
            ("payment_intent.succeeded".to_owned(), outcome("applied")),
            ("payment_intent.created".to_owned(), outcome("unchanged")),
            ("payment_intent.payment_failed".to_owned(), outcome("unchanged")),
        ]
    );
    till.verify().await;
}

/// Signed by Stripe, and about something else than our order: it changes nothing, and is recorded.
#[tokio::test]
async fn an_event_of_another_amount_order_or_account_changes_nothing() {
    let till = Till::open_deaf(&[]).await;
    let (ada, order) = till.order("ada").await;
    ada.begin_payment(&order).await.expect(200);
    let (_, other) = till.order("grace").await;
    let seen = till.stripe.intents_of(order["id"].as_str().unwrap()).remove(0);
    let seen = till.stripe.object(&seen.id).unwrap();
    let seen = with(&with(&seen, "status", json!("succeeded")), "amount_received", seen["amount"].clone());
    let paid = |id: &str, intent: &Value| till.event(id, "payment_intent.succeeded", intent);
    let of_other =
        json!({"order_id": other["id"], "payment_id": seen["metadata"]["payment_id"], "attempt": "1"});
    for (event, outcome) in [
        (paid("evt_amount", &with(&seen, "amount_received", json!(3997))), "wrong_amount"),
        (paid("evt_currency", &with(&seen, "currency", json!("eur"))), "wrong_currency"),
        (paid("evt_order", &with(&seen, "metadata", of_other)), "wrong_order"),
        (paid("evt_intent", &with(&seen, "id", json!("pi_other"))), "wrong_intent"),
        (with(&paid("evt_live", &seen), "livemode", json!(true)), "wrong_account"),
        (with(&paid("evt_connected", &seen), "account", json!("acct_1")), "wrong_account"),
    ] {
        till.post_signed(&event.to_string()).await.expect(200);
        let kept: Option<String> =
            sqlx::query_scalar("select outcome from orders.provider_events where id = $1")
                .bind(event["id"].as_str().unwrap())
                .fetch_one(&till.shop.sql().await)
                .await
                .unwrap();
        assert_eq!(kept.as_deref(), Some(outcome), "{event}");
        let seen = ada.order(&order).await;
        assert_eq!(
            (seen["status"].as_str(), payment_of(&seen)),
            (Some("pending"), "stripe requires_payment".to_owned())
        );
    }
    till.verify().await;
}

/// A shop that no event gets to asks by itself.
#[tokio::test]
async fn with_every_event_lost_the_order_is_paid_within_a_minute() {
    let till = Till::open_deaf(&[]).await;
    let (ada, order) = till.order("ada").await;
    let intent = ada.begin_payment(&order).await.expect(200).json;
    till.pay(&intent, Card::Visa).await;
    let paid = ada.see_order(&order, "paid").await;
    assert_eq!(history(&paid), ["pending", "pending requires_payment", "paid completed"]);
    assert_eq!(till.events().await, []);
    till.verify().await;
}

/// Money that is given back at Stripe itself, by whoever runs the shop there.
#[tokio::test]
async fn what_is_refunded_at_stripe_itself_is_refunded_here() {
    let till = Till::open().await;
    let (ada, order) = till.paid_order("ada").await;
    let key = format!("Bearer {}", till.stripe.options().secret_key);
    let owner = Person::at(till.stripe.url()).with("authorization", &key);
    let form = [("payment_intent", &*till.stripe.intents()[0].id)];
    owner.send(owner.request(Method::POST, "/v1/refunds").form(&form)).await.expect(200);
    let seen = ada.see_payment(&order, "stripe refunded").await;
    assert_eq!(seen["status"], "cancelled");
    till.verify().await;
}

/// Both secrets are good while the endpoint's is rolled; here the old one is all that the shop knows.
#[tokio::test]
async fn a_secret_that_is_rolled_is_good_until_the_new_one_is_known() {
    let till = Till::open().await;
    till.stripe.roll_webhook_secret("whsec_TheNextOne");
    till.stripe.sign_with_v0(true);
    till.paid_order("ada").await;
    till.stripe.delivered().await;
    assert!(till.stripe.deliveries().iter().all(|delivery| delivery.status == Some(200)));
    till.verify().await;
}

/// Three times each, in any order, while shoppers pay and cancel.
#[tokio::test]
async fn events_that_come_thrice_and_in_any_order_lead_where_they_should() {
    let till = Till::open().await;
    let window = Duration::from_millis(500);
    till.stripe.set_delivery_policy(DeliveryPolicy { duplicates: 2, window, ..DeliveryPolicy::default() });
    let mut expected = Vec::new();
    for index in 0..6 {
        let (buyer, order) = till.order(&format!("buyer{index}")).await;
        let intent = buyer.begin_payment(&order).await.expect(200).json;
        till.pay(&intent, Card::Declined).await;
        till.pay(&intent, Card::Visa).await;
        let is_cancelled = index % 2 == 0;
        if is_cancelled {
            buyer.cancel(&order).await.expect(200);
        }
        let payment = if is_cancelled { "stripe refunded" } else { "stripe completed" };
        expected.push((buyer, order, payment));
    }
    till.stripe.delivered().await;
    for (buyer, order, payment) in &expected {
        buyer.see_payment(order, payment).await;
    }
    till.verify().await;
}
