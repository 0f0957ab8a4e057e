//! What Stripe tells: twice, late, out of order, and wrong.

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

use super::{CardShop, altered, outcomes, payment_of, payment_steps};
use crate::shop::{MUG, MUG_PRICE, history, refused};

#[tokio::test]
async fn an_event_is_applied_once_however_often_it_comes() {
    let shop = CardShop::open().await;
    shop.stripe.set_delivery_policy(DeliveryPolicy { duplicates: 9, ..DeliveryPolicy::default() });
    let order = shop.paid_order().await;
    assert_eq!(payment_steps(&order), [PaymentStatus::RequiresPayment, PaymentStatus::Completed]);
    assert!(shop.stripe.deliveries().iter().all(|delivery| delivery.status == Some(200)));
    let stored = outcomes(&shop.shop).await;
    let is_of_interest = |event: &Value| event["type"].as_str().unwrap().starts_with("payment_intent.");
    let told = shop.stripe.events().into_iter().filter(is_of_interest);
    assert_eq!(stored.len(), told.count(), "{stored:?}");
    shop.assert_sound().await;
}

#[tokio::test]
async fn an_event_about_something_else_changes_nothing_and_is_recorded() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let intent = shop.pay(&order).await.unwrap();
    shop.stripe.delivered().await;
    let before = shop.shop.get(&order.id).await;
    let right = altered(
        shop.stripe.object(&intent.id).unwrap(),
        &[("/status", json!("succeeded")), ("/amount_received", json!(MUG_PRICE))],
    );
    let event = |object: &Value| shop.stripe.event("payment_intent.succeeded", object);
    let mut of_another_account = event(&right);
    of_another_account["account"] = json!("acct_1SomebodyElse");
    let mut live = event(&right);
    live["livemode"] = json!(true);
    for (wrong, outcome) in [
        (
            event(&altered(right.clone(), &[("/amount", json!(1)), ("/amount_received", json!(1))])),
            "wrong_amount",
        ),
        (event(&altered(right.clone(), &[("/amount_received", json!(1))])), "wrong_amount"),
        (event(&altered(right.clone(), &[("/currency", json!("eur"))])), "wrong_currency"),
        (event(&altered(right.clone(), &[("/metadata/order_id", json!(Uuid::now_v7()))])), "wrong_order"),
        (event(&altered(right.clone(), &[("/id", json!("pi_another"))])), "wrong_intent"),
        (of_another_account, "wrong_account"),
        (live, "wrong_account"),
    ] {
        assert_eq!(shop.stripe.post_event(&wrong).await, Some(200), "{outcome}");
        let recorded = outcomes(&shop.shop).await.pop().unwrap();
        assert_eq!(recorded, ("payment_intent.succeeded".to_owned(), Some(outcome.to_owned())));
        assert_eq!(shop.shop.get(&order.id).await, before, "{outcome}");
    }
    let foreign = altered(right.clone(), &[("/id", json!("pi_another")), ("/metadata", json!({}))]);
    shop.stripe.post_event(&event(&foreign)).await;
    assert_eq!(outcomes(&shop.shop).await.pop().unwrap().1.unwrap(), "unknown_payment");

    shop.stripe.post_event(&event(&right)).await;
    assert_eq!(shop.shop.get(&order.id).await.status(), Paid);
}

#[tokio::test]
async fn what_stripe_has_not_signed_is_refused_and_leaves_no_trace() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let intent = shop.pay(&order).await.unwrap();
    shop.stripe.delivered().await;
    let stored = outcomes(&shop.shop).await;
    let object = altered(
        shop.stripe.object(&intent.id).unwrap(),
        &[("/status", json!("succeeded")), ("/amount_received", json!(MUG_PRICE))],
    );
    let payload = shop.stripe.event("payment_intent.succeeded", &object).to_string();
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let good = shop.stripe.sign(payload.as_bytes(), now);
    let altered = payload.replacen(&MUG_PRICE.to_string(), "1", 1);
    for (payload, signature, reason) in [
        (payload.as_str(), String::new(), "invalid_signature"),
        (&payload, shop.stripe.sign(payload.as_bytes(), now - 301), "invalid_signature"),
        (&payload, shop.stripe.sign(payload.as_bytes(), now + 330), "invalid_signature"),
        (&payload, shop.stripe.sign(b"{}", now), "invalid_signature"),
        (&altered, good.clone(), "invalid_signature"),
        ("no json", shop.stripe.sign(b"no json", now), "invalid_event"),
    ] {
        let (provider, payload) = ("stripe".to_owned(), payload.as_bytes().to_vec());
        let answer = shop
            .shop
            .events()
            .handle_webhook_event(HandleWebhookEventRequest { provider, payload, signature })
            .await;
        assert_eq!(refused(answer), reason);
    }
    let request = HandleWebhookEventRequest {
        provider: "paypal".to_owned(),
        payload: payload.clone().into_bytes(),
        signature: good.clone(),
    };
    assert_eq!(refused(shop.shop.events().handle_webhook_event(request).await), "provider_not_configured");
    assert_eq!(outcomes(&shop.shop).await, stored);
    assert_eq!(shop.shop.get(&order.id).await.status(), Pending);

    assert_eq!(shop.stripe.post_payload(&payload, &good).await, Some(200));
    assert_eq!(shop.shop.get(&order.id).await.status(), Paid);
}

#[tokio::test]
async fn a_secret_is_rolled_without_losing_an_event() {
    let shop = CardShop::open().await;
    shop.stripe.roll_webhook_secret("whsec_TheNextOne");
    shop.stripe.sign_with_v0(true);
    shop.paid_order().await;
}

#[tokio::test]
async fn events_of_no_interest_are_answered_and_let_go() {
    let shop = CardShop::open().await;
    let event = shop.stripe.event("customer.created", &json!({"id": "cus_1", "object": "customer"}));
    assert_eq!(shop.stripe.post_event(&event).await, Some(200));
    assert_eq!(outcomes(&shop.shop).await, []);
}

#[tokio::test]
async fn money_for_an_intent_that_we_never_heard_back_of_is_known_by_the_payment_it_names() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    shop.stripe.fail_next(Operation::Create, Fault::DropAfter, 20);
    shop.pay(&order).await.unwrap_err();
    shop.stripe.clear_faults();
    let intent = &shop.stripe.intents_of(&order.id)[0];
    shop.stripe.confirm(&intent.id, Card::Visa).await.unwrap();
    shop.stripe.delivered().await;
    let order = shop.shop.get(&order.id).await;
    assert_eq!((order.status(), payment_of(&order)), (Paid, PaymentStatus::Completed));
    assert_eq!(refused(shop.pay(&order).await), "already_paid");
    shop.assert_sound().await;
}

/// One event of each kind that there is about an intent.
fn every_kind(stripe: &StripeDouble, intent: &Value) -> Vec<Value> {
    let with = |status: &str, received: i64| {
        altered(intent.clone(), &[("/status", json!(status)), ("/amount_received", json!(received))])
    };
    let declined = altered(
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
async fn events_of_every_kind_in_any_order_and_number_lead_to_one_end() {
    let shop = CardShop::open().await;
    shop.stripe.pause_deliveries();
    let replica = shop.shop.replica().await;
    for permutation in 0..200_u64 {
        let order = shop.shop.order(&[(MUG, 1)]).await;
        let intent = shop.pay(&order).await.unwrap();
        let events = every_kind(&shop.stripe, &shop.stripe.object(&intent.id).unwrap());
        let mut told: Vec<_> = events.iter().flat_map(|event| [event; 5]).collect();
        told.shuffle(&mut StdRng::seed_from_u64(permutation));
        stream::iter(told.into_iter().enumerate())
            .for_each_concurrent(8, async |(n, event)| {
                let payload = event.to_string().into_bytes();
                let now = OffsetDateTime::now_utc().unix_timestamp();
                let signature = shop.stripe.sign(&payload, now);
                let mut events = if n % 2 == 0 { shop.shop.events() } else { replica.events() };
                let request = HandleWebhookEventRequest { provider: "stripe".to_owned(), payload, signature };
                events.handle_webhook_event(request).await.unwrap();
            })
            .await;
        let order = shop.shop.get(&order.id).await;
        let end = (order.status(), payment_of(&order), history(&order));
        assert_eq!(
            end,
            (Cancelled, PaymentStatus::Refunded, vec![Pending, Paid, Cancelled]),
            "permutation {permutation}"
        );
        let mut steps = payment_steps(&order);
        steps.retain(|step| matches!(step, PaymentStatus::Completed | PaymentStatus::Refunded));
        assert_eq!(steps, [PaymentStatus::Completed, PaymentStatus::Refunded], "permutation {permutation}");
    }
    replica.kill().await;
    assert_eq!(shop.stripe.calls_of(Operation::Refund), 0, "it was given back already");
    assert_eq!(outcomes(&shop.shop).await.len(), 200 * 6);
    shop.assert_sound().await;
}
