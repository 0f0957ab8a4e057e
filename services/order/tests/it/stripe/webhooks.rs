//! Webhook events: duplicate, late, out of order, mismatching or invalid.

use std::time::Duration;

use bodega_proto::order::v1::{
    HandleWebhookEventRequest,
    OrderStatus::{Cancelled, Paid, Pending},
    PaymentStatus,
};
use bodega_stripe_double::{Card, DeliveryPolicy, Fault, Operation, StripeDouble};
use futures_util::{StreamExt as _, stream};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{StripeApp, event_outcomes, payment_of, payment_statuses, with_values};
use crate::test_app::{MUG, MUG_PRICE, error_reason, history};

#[tokio::test]
async fn duplicate_events_are_applied_once() {
    let app = StripeApp::start().await;
    app.stripe.set_delivery_policy(DeliveryPolicy { duplicates: 9, ..DeliveryPolicy::default() });
    let order = app.paid_order().await;
    assert_eq!(payment_statuses(&order), [PaymentStatus::RequiresPayment, PaymentStatus::Completed]);
    assert!(app.stripe.deliveries().iter().all(|delivery| delivery.status == Some(200)));
    let stored = event_outcomes(&app).await;
    let is_of_interest = |event: &Value| event["type"].as_str().unwrap().starts_with("payment_intent.");
    let sent = app.stripe.events().into_iter().filter(is_of_interest);
    assert_eq!(stored.len(), sent.count(), "{stored:?}");
    app.assert_consistent().await;
}

#[tokio::test]
async fn mismatching_events_are_recorded_and_change_nothing() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    app.stripe.delivered().await;
    let before = app.get(&order.id).await;
    let right = with_values(
        app.stripe.object(&intent.id).unwrap(),
        &[("/status", json!("succeeded")), ("/amount_received", json!(MUG_PRICE))],
    );
    let event = |object: &Value| app.stripe.event("payment_intent.succeeded", object);
    let mut of_another_account = event(&right);
    of_another_account["account"] = json!("acct_1Another");
    let mut live = event(&right);
    live["livemode"] = json!(true);
    for (wrong, outcome) in [
        (
            event(&with_values(right.clone(), &[("/amount", json!(1)), ("/amount_received", json!(1))])),
            "wrong_amount",
        ),
        (event(&with_values(right.clone(), &[("/amount_received", json!(1))])), "wrong_amount"),
        (event(&with_values(right.clone(), &[("/currency", json!("eur"))])), "wrong_currency"),
        (event(&with_values(right.clone(), &[("/metadata/order_id", json!(Uuid::now_v7()))])), "wrong_order"),
        (event(&with_values(right.clone(), &[("/id", json!("pi_another"))])), "wrong_intent"),
        (of_another_account, "wrong_account"),
        (live, "wrong_account"),
    ] {
        assert_eq!(app.stripe.post_event(&wrong).await, Some(200), "{outcome}");
        let recorded = event_outcomes(&app).await.pop().unwrap();
        assert_eq!(recorded, ("payment_intent.succeeded".to_owned(), Some(outcome.to_owned())));
        let mut after = app.get(&order.id).await;
        // A person has to decide about the wrong amount. That is all.
        assert!(std::mem::take(&mut after.payment.as_mut().unwrap().needs_review), "{outcome}");
        assert_eq!(after, before, "{outcome}");
    }
    let foreign = with_values(right.clone(), &[("/id", json!("pi_another")), ("/metadata", json!({}))]);
    app.stripe.post_event(&event(&foreign)).await;
    assert_eq!(event_outcomes(&app).await.pop().unwrap().1.unwrap(), "unknown_payment");

    app.stripe.post_event(&event(&right)).await;
    assert_eq!(app.get(&order.id).await.status(), Paid);
}

#[tokio::test]
async fn rejects_unsigned_events_and_stores_nothing() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    app.stripe.delivered().await;
    let stored = event_outcomes(&app).await;
    let object = with_values(
        app.stripe.object(&intent.id).unwrap(),
        &[("/status", json!("succeeded")), ("/amount_received", json!(MUG_PRICE))],
    );
    let payload = app.stripe.event("payment_intent.succeeded", &object).to_string();
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let valid = app.stripe.sign(payload.as_bytes(), now);
    let altered = payload.replacen(&MUG_PRICE.to_string(), "1", 1);
    for (payload, signature, reason) in [
        (payload.as_str(), String::new(), "invalid_signature"),
        (&payload, app.stripe.sign(payload.as_bytes(), now - 301), "invalid_signature"),
        (&payload, app.stripe.sign(payload.as_bytes(), now + 330), "invalid_signature"),
        (&payload, app.stripe.sign(b"{}", now), "invalid_signature"),
        (&altered, valid.clone(), "invalid_signature"),
        ("no json", app.stripe.sign(b"no json", now), "invalid_event"),
    ] {
        let (provider, payload) = ("stripe".to_owned(), payload.as_bytes().to_vec());
        let result = app
            .events()
            .handle_webhook_event(HandleWebhookEventRequest { provider, payload, signature })
            .await;
        assert_eq!(error_reason(result), reason);
    }
    let request = HandleWebhookEventRequest {
        provider: "paypal".to_owned(),
        payload: payload.clone().into_bytes(),
        signature: valid.clone(),
    };
    assert_eq!(error_reason(app.events().handle_webhook_event(request).await), "provider_not_configured");
    assert_eq!(event_outcomes(&app).await, stored);
    assert_eq!(app.get(&order.id).await.status(), Pending);

    assert_eq!(app.stripe.post_payload(&payload, &valid).await, Some(200));
    assert_eq!(app.get(&order.id).await.status(), Paid);
}

#[tokio::test]
async fn no_event_is_lost_while_the_webhook_secret_is_rolled() {
    let app = StripeApp::start().await;
    app.stripe.roll_webhook_secret("whsec_TheNextOne");
    app.stripe.sign_with_v0(true);
    app.paid_order().await;
}

#[tokio::test]
async fn other_events_are_accepted_and_ignored() {
    let app = StripeApp::start().await;
    let event = app.stripe.event("customer.created", &json!({"id": "cus_1", "object": "customer"}));
    assert_eq!(app.stripe.post_event(&event).await, Some(200));
    assert_eq!(event_outcomes(&app).await, []);
}

#[tokio::test]
async fn an_event_of_an_unknown_intent_is_matched_by_its_payment_id() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    app.stripe.fail_next(Operation::Create, Fault::DropAfter, 20);
    app.create_intent(&order).await.unwrap_err();
    app.stripe.clear_faults();
    let intent = &app.stripe.intents_of(&order.id)[0];
    app.stripe.confirm(&intent.id, Card::Visa).await.unwrap();
    app.stripe.delivered().await;
    let order = app.get(&order.id).await;
    assert_eq!((order.status(), payment_of(&order)), (Paid, PaymentStatus::Completed));
    assert_eq!(error_reason(app.create_intent(&order).await), "already_paid");
    app.assert_consistent().await;
}

/// Returns one event of each type about an intent.
fn every_kind(stripe: &StripeDouble, intent: &Value) -> Vec<Value> {
    let with = |status: &str, received: i64| {
        with_values(intent.clone(), &[("/status", json!(status)), ("/amount_received", json!(received))])
    };
    let declined = with_values(
        with("requires_payment_method", 0),
        &[("/last_payment_error", json!({"type": "card_error", "code": "card_declined"}))],
    );
    let charge = json!({
        "id": format!("ch_of_{}", intent["id"].as_str().unwrap()), "object": "charge",
        "amount": intent["amount"], "amount_captured": intent["amount"], "amount_refunded": intent["amount"],
        "currency": intent["currency"], "payment_intent": intent["id"], "metadata": intent["metadata"],
        "paid": true, "captured": true, "refunded": true, "status": "succeeded", "livemode": false,
    });
    vec![
        stripe.event("payment_intent.created", &with("requires_payment_method", 0)),
        stripe.event("payment_intent.processing", &with("processing", 0)),
        stripe.event("payment_intent.payment_failed", &declined),
        stripe.event("payment_intent.canceled", &with("canceled", 0)),
        stripe.event("payment_intent.succeeded", &with("succeeded", intent["amount"].as_i64().unwrap())),
        stripe.event("charge.refunded", &charge),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_any_order_and_number_lead_to_the_same_state() {
    let app = StripeApp::start().await;
    app.stripe.pause_deliveries();
    let replica = app.replica().await;
    for permutation in 0..200_u64 {
        let order = app.new_order(&[(MUG, 1)]).await;
        let intent = app.create_intent(&order).await.unwrap();
        let events = every_kind(&app.stripe, &app.stripe.object(&intent.id).unwrap());
        let mut sent: Vec<_> = events.iter().flat_map(|event| [event; 5]).collect();
        sent.shuffle(&mut StdRng::seed_from_u64(permutation));
        stream::iter(sent.into_iter().enumerate())
            .for_each_concurrent(8, async |(n, event)| {
                let payload = event.to_string().into_bytes();
                let now = OffsetDateTime::now_utc().unix_timestamp();
                let signature = app.stripe.sign(&payload, now);
                let mut events = if n % 2 == 0 { app.events() } else { replica.events() };
                let request = HandleWebhookEventRequest { provider: "stripe".to_owned(), payload, signature };
                events.handle_webhook_event(request).await.unwrap();
            })
            .await;
        // On a loaded machine the worker may have to apply some of them.
        let order = app.wait_for(&order, Cancelled, PaymentStatus::Refunded, Duration::from_secs(10)).await;
        let end = (order.status(), payment_of(&order), history(&order));
        assert_eq!(
            end,
            (Cancelled, PaymentStatus::Refunded, vec![Pending, Paid, Cancelled]),
            "permutation {permutation}"
        );
        let mut steps = payment_statuses(&order);
        steps.retain(|step| matches!(step, PaymentStatus::Completed | PaymentStatus::Refunded));
        assert_eq!(steps, [PaymentStatus::Completed, PaymentStatus::Refunded], "permutation {permutation}");
    }
    replica.kill().await;
    assert_eq!(app.stripe.calls_of(Operation::Refund), 0, "it was refunded already");
    assert_eq!(event_outcomes(&app).await.len(), 200 * 6);
    app.assert_consistent().await;
}
