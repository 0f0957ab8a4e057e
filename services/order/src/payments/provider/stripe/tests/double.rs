//! The provider against the Stripe double (`bodega-stripe-double`), with injected faults.

use std::time::{Duration, Instant};

use bodega_stripe_double::{Card, Fault, Operation, Options, Outcome, RefundStatus, StripeDouble};
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::*;

pub(super) async fn start() -> (StripeDouble, Stripe) {
    let double = StripeDouble::start(Options::default()).await.unwrap();
    let Options { secret_key, publishable_key, webhook_secret, .. } = double.options();
    let keys = Keys::new(secret_key, publishable_key, webhook_secret).unwrap();
    let stripe = Stripe::new(double.url().parse().unwrap(), keys).unwrap();
    (double, stripe)
}

pub(super) fn new_intent() -> NewIntent {
    NewIntent {
        order_id: Uuid::now_v7(),
        payment_id: Uuid::now_v7(),
        attempt: 1,
        amount_minor: 1999,
        currency: "EUR".to_owned(),
    }
}

/// Creates an intent and pays it.
pub(super) async fn paid(double: &StripeDouble, stripe: &Stripe, new_intent: &NewIntent) -> Intent {
    let intent = stripe.create_intent(new_intent).await.unwrap();
    double.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    intent
}

#[tokio::test]
async fn returns_every_state_of_an_intent() {
    let (double, stripe) = start().await;
    let new_intent = new_intent();
    let intent = stripe.create_intent(&new_intent).await.unwrap();
    let snapshot = |state| IntentSnapshot {
        intent_id: intent.id.clone(),
        order_id: Some(new_intent.order_id),
        payment_id: Some(new_intent.payment_id),
        amount_minor: 1999,
        currency: "EUR".to_owned(),
        state,
        refunded_minor: if state == IntentState::Refunded { 1999 } else { 0 },
        failed_refund: None,
    };
    assert_eq!(stripe.retrieve_intent(&intent.id, &new_intent).await, Ok(snapshot(IntentState::Open)));
    double.confirm(&intent.client_secret, Card::Declined).await.unwrap();
    assert_eq!(stripe.retrieve_intent(&intent.id, &new_intent).await, Ok(snapshot(IntentState::Declined)));
    double.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    assert_eq!(stripe.retrieve_intent(&intent.id, &new_intent).await, Ok(snapshot(IntentState::Succeeded)));
    assert_eq!(stripe.cancel_intent(&intent.id, &new_intent).await, Ok(snapshot(IntentState::Succeeded)));
    stripe.refund(&intent.id, "refund-1").await.unwrap();
    assert_eq!(stripe.retrieve_intent(&intent.id, &new_intent).await, Ok(snapshot(IntentState::Refunded)));
    assert_eq!(double.check(), Vec::<String>::new());
}

#[tokio::test]
async fn lost_responses_create_no_second_intent() {
    let (double, stripe) = start().await;
    double.fail_sometimes(Operation::Create, Fault::DropAfter, 0.4);
    double.fail_sometimes(Operation::Create, Fault::DropBefore, 0.1);
    let orders: Vec<_> = (0..100).map(|_| new_intent()).collect();
    let made = join_all(orders.iter().map(async |new_intent| {
        loop {
            match stripe.create_intent(new_intent).await {
                Ok(intent) => return intent,
                Err(error) => assert!(matches!(error, ProviderError::Unavailable(_)), "{error}"),
            }
        }
    }));
    for (new_intent, intent) in orders.iter().zip(made.await) {
        let intents = double.intents_of(&new_intent.order_id.to_string());
        assert_eq!(intents.iter().map(|intent| &intent.id).collect::<Vec<_>>(), [&intent.id]);
    }
    assert!(double.calls_of(Operation::Create) > 120, "too few responses were dropped");
}

#[tokio::test]
async fn concurrent_calls_get_the_same_intent() {
    let (double, stripe) = start().await;
    double.fail_next(Operation::Create, Fault::DelayBefore(Duration::from_millis(300)), 1);
    let new_intent = new_intent();
    let made = join_all((0..8).map(|_| stripe.create_intent(&new_intent))).await;
    let ids: Vec<_> = made.into_iter().map(|intent| intent.unwrap().id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(double.intents().len(), 1);
}

#[tokio::test]
async fn a_call_after_a_timeout_returns_the_same_intent() {
    let (double, stripe) = start().await;
    double.fail_next(Operation::Create, Fault::DelayAfter(Duration::from_secs(9)), 1);
    let (new_intent, started) = (new_intent(), Instant::now());
    assert!(is_unavailable(stripe.create_intent(&new_intent).await));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());

    let intent = stripe.create_intent(&new_intent).await.unwrap();
    assert_eq!(double.intents().iter().map(|intent| &intent.id).collect::<Vec<_>>(), [&intent.id]);
}

#[tokio::test]
async fn a_key_with_a_stored_server_error_is_unusable() {
    for fault in [Fault::ErrorBefore, Fault::ErrorAfter] {
        let (double, stripe) = start().await;
        let new_intent = new_intent();
        double.fail_next(Operation::Create, fault, 1);
        assert!(is_unavailable(stripe.create_intent(&new_intent).await));
        assert!(matches!(stripe.create_intent(&new_intent).await, Err(ProviderError::KeyUnusable(_))));
        assert!(matches!(stripe.create_intent(&new_intent).await, Err(ProviderError::KeyUnusable(_))));
        assert!(stripe.create_intent(&NewIntent { attempt: 2, ..new_intent }).await.is_ok());

        let paid = paid(&double, &stripe, &self::new_intent()).await;
        double.fail_next(Operation::Refund, fault, 1);
        assert!(is_unavailable(stripe.refund(&paid.id, "refund-0").await));
        assert!(matches!(stripe.refund(&paid.id, "refund-0").await, Err(ProviderError::KeyUnusable(_))));
        assert_eq!(stripe.refund(&paid.id, "refund-1").await.unwrap().state, RefundState::Succeeded);
        assert_eq!((double.refunds().len(), double.total_refunded()), (1, 1999));
    }
}

#[tokio::test]
async fn a_key_with_another_amount_is_unusable() {
    let (_double, stripe) = start().await;
    let new_intent = new_intent();
    stripe.create_intent(&new_intent).await.unwrap();
    let other = NewIntent { amount_minor: 2000, ..new_intent };
    assert!(matches!(stripe.create_intent(&other).await, Err(ProviderError::KeyUnusable(_))));
}

#[tokio::test]
async fn rate_limits_are_retried_a_few_times() {
    let (double, stripe) = start().await;
    double.fail_next(Operation::Create, Fault::RateLimited, 2);
    assert!(stripe.create_intent(&new_intent()).await.is_ok());
    double.fail_next(Operation::Create, Fault::RateLimited, 20);
    assert!(is_unavailable(stripe.create_intent(&new_intent()).await));
}

#[tokio::test]
async fn a_too_small_amount_is_rejected_with_a_message_for_the_client() {
    let (_double, stripe) = start().await;
    let error = stripe.create_intent(&NewIntent { amount_minor: 1, ..new_intent() }).await.unwrap_err();
    assert!(matches!(&error, ProviderError::Rejected(message) if message.contains("at least")), "{error:?}");
}

#[tokio::test]
async fn a_wrong_secret_key_counts_as_unavailable() {
    let (double, _) = start().await;
    let keys = Keys::new("sk_test_of_another_account", "pk_test_1", "whsec_1").unwrap();
    let stripe = Stripe::new(double.url().parse().unwrap(), keys).unwrap();
    assert!(is_unavailable(stripe.create_intent(&new_intent()).await));
}

#[tokio::test]
async fn cancelling_is_idempotent() {
    let (double, stripe) = start().await;
    let new_intent = new_intent();
    let intent = stripe.create_intent(&new_intent).await.unwrap();
    double.fail_next(Operation::Cancel, Fault::DropAfter, 1);
    for _ in 0..3 {
        assert_eq!(
            stripe.cancel_intent(&intent.id, &new_intent).await.unwrap().state,
            IntentState::Cancelled
        );
    }
    assert_eq!(stripe.retrieve_intent(&intent.id, &new_intent).await.unwrap().state, IntentState::Cancelled);
}

#[tokio::test]
async fn money_is_refunded_once_despite_lost_responses() {
    let (double, stripe) = start().await;
    let intent = paid(&double, &stripe, &new_intent()).await;
    double.fail_next(Operation::Refund, Fault::DropAfter, 2);
    assert!(is_unavailable(stripe.refund(&intent.id, "refund-0").await));
    let refunds = join_all((0..8).map(|_| stripe.refund(&intent.id, "refund-0"))).await;
    let refunds: Vec<_> = refunds.into_iter().map(Result::unwrap).collect();
    assert!(refunds.iter().all(|refund| *refund == refunds[0]), "{refunds:?}");
    assert_eq!(refunds[0].state, RefundState::Succeeded);

    // With another key, after the first refund.
    assert_eq!(stripe.refund(&intent.id, "refund-1").await.unwrap().state, RefundState::Succeeded);
    assert_eq!((double.refunds().len(), double.total_refunded()), (1, 1999));
}

#[tokio::test]
async fn a_failed_refund_may_be_followed_by_another() {
    let (double, stripe) = start().await;
    double.set_refund_status(RefundStatus::Pending);
    let intent = paid(&double, &stripe, &new_intent()).await;
    let first = stripe.refund(&intent.id, "refund-0").await.unwrap();
    assert_eq!(first.state, RefundState::Pending);
    assert!(double.settle_refund(&first.id, Outcome::Fails));
    assert_eq!(stripe.retrieve_refund(&first.id).await.unwrap().state, RefundState::Failed);

    let second = stripe.refund(&intent.id, "refund-1").await.unwrap();
    assert_ne!(second.id, first.id);
    assert!(double.settle_refund(&second.id, Outcome::Succeeds));
    assert_eq!(stripe.retrieve_refund(&second.id).await.unwrap().state, RefundState::Succeeded);
    assert_eq!(double.total_refunded(), 1999);
}

#[tokio::test]
async fn parses_every_event_of_a_payment() {
    let (double, stripe) = start().await;
    let new_intent = new_intent();
    let intent = stripe.create_intent(&new_intent).await.unwrap();
    double.confirm(&intent.client_secret, Card::Declined).await.unwrap();
    double.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    stripe.refund(&intent.id, "refund-0").await.unwrap();
    let other = stripe.create_intent(&NewIntent { attempt: 2, ..new_intent.clone() }).await.unwrap();
    stripe.cancel_intent(&other.id, &new_intent).await.unwrap();

    let now = OffsetDateTime::now_utc();
    let mut states = Vec::new();
    for event in double.events() {
        let payload = serde_json::to_vec_pretty(&event).unwrap();
        let signature = double.sign(&payload, now.unix_timestamp());
        let event = stripe.parse_webhook_at(&payload, &signature, now).unwrap();
        assert!(event.own_account, "{event:?}");
        if let Some(snapshot) = event.snapshot {
            assert_eq!(snapshot.order_id, Some(new_intent.order_id), "{snapshot:?}");
            assert_eq!((snapshot.amount_minor, snapshot.currency.as_str()), (1999, "EUR"));
            states.push((snapshot.intent_id == intent.id, snapshot.state));
        }
        assert_eq!(stripe.parse_webhook_at(&payload, "t=1,v1=00", now), Err(InvalidEvent::Signature));
    }
    let expected = [
        (true, IntentState::Open),
        (true, IntentState::Declined),
        (true, IntentState::Succeeded),
        (true, IntentState::Refunded),
        (false, IntentState::Open),
        (false, IntentState::Cancelled),
    ];
    assert_eq!(states, expected);
    let live = json!({"id": "evt_1", "type": "ping", "livemode": true}).to_string();
    let signature = double.sign(live.as_bytes(), now.unix_timestamp());
    assert!(!stripe.parse_webhook_at(live.as_bytes(), &signature, now).unwrap().own_account);
}
