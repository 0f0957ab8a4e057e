//! The provider and Stripe's double, through what goes wrong between them.

use std::time::{Duration, Instant};

use bodega_stripe_double::{Card, Fault, Operation, Options, Outcome, RefundStatus, StripeDouble};
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::*;

/// A double, and the provider that uses it.
async fn start() -> (StripeDouble, Stripe) {
    let double = StripeDouble::start(Options::default()).await.unwrap();
    let Options { secret_key, publishable_key, webhook_secret, .. } = double.options();
    let keys = StripeKeys::new(secret_key, publishable_key, webhook_secret).unwrap();
    let stripe = Stripe::new(double.url().parse().unwrap(), keys).unwrap();
    (double, stripe)
}

fn wanted() -> NewIntent {
    NewIntent {
        order_id: Uuid::now_v7(),
        payment_id: Uuid::now_v7(),
        attempt: 1,
        amount_minor: 1999,
        currency: "EUR".to_owned(),
    }
}

/// Makes an intent and pays it.
async fn paid(double: &StripeDouble, stripe: &Stripe, wanted: &NewIntent) -> Intent {
    let intent = stripe.create(wanted).await.unwrap();
    double.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    intent
}

#[tokio::test]
async fn an_intent_is_seen_at_every_station() {
    let (double, stripe) = start().await;
    let wanted = wanted();
    let intent = stripe.create(&wanted).await.unwrap();
    let snapshot = |state| IntentSnapshot {
        intent_id: intent.id.clone(),
        order_id: Some(wanted.order_id),
        payment_id: Some(wanted.payment_id),
        amount_minor: 1999,
        currency: "EUR".to_owned(),
        state,
    };
    assert_eq!(stripe.look_up(&intent.id, &wanted).await, Ok(snapshot(IntentState::Open)));
    double.confirm(&intent.client_secret, Card::Declined).await.unwrap();
    assert_eq!(stripe.look_up(&intent.id, &wanted).await, Ok(snapshot(IntentState::Declined)));
    double.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    assert_eq!(stripe.look_up(&intent.id, &wanted).await, Ok(snapshot(IntentState::Succeeded)));
    assert_eq!(stripe.cancel(&intent.id, &wanted).await, Ok(snapshot(IntentState::Succeeded)));
    stripe.refund(&intent.id, "refund-1").await.unwrap();
    assert_eq!(stripe.look_up(&intent.id, &wanted).await, Ok(snapshot(IntentState::Refunded)));
    assert_eq!(double.check(), Vec::<String>::new());
}

#[tokio::test]
async fn dropped_replies_make_no_second_intent() {
    let (double, stripe) = start().await;
    double.fail_sometimes(Operation::Create, Fault::DropAfter, 0.4);
    double.fail_sometimes(Operation::Create, Fault::DropBefore, 0.1);
    let orders: Vec<_> = (0..100).map(|_| wanted()).collect();
    let made = join_all(orders.iter().map(async |wanted| {
        loop {
            match stripe.create(wanted).await {
                Ok(intent) => return intent,
                Err(failure) => assert!(matches!(failure, Failure::Unavailable(_)), "{failure}"),
            }
        }
    }));
    for (wanted, intent) in orders.iter().zip(made.await) {
        let intents = double.intents_of(&wanted.order_id.to_string());
        assert_eq!(intents.iter().map(|intent| &intent.id).collect::<Vec<_>>(), [&intent.id]);
    }
    assert!(double.calls_of(Operation::Create) > 120, "too few replies were dropped");
}

#[tokio::test]
async fn all_who_ask_at_once_get_the_same_intent() {
    let (double, stripe) = start().await;
    double.fail_next(Operation::Create, Fault::DelayBefore(Duration::from_millis(300)), 1);
    let wanted = wanted();
    let made = join_all((0..8).map(|_| stripe.create(&wanted))).await;
    let ids: Vec<_> = made.into_iter().map(|intent| intent.unwrap().id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(double.intents().len(), 1);
}

#[tokio::test]
async fn an_intent_whose_answer_took_too_long_is_found_again() {
    let (double, stripe) = start().await;
    double.fail_next(Operation::Create, Fault::DelayAfter(Duration::from_secs(9)), 1);
    let (wanted, begun) = (wanted(), Instant::now());
    assert!(is_unavailable(stripe.create(&wanted).await));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());

    let intent = stripe.create(&wanted).await.unwrap();
    assert_eq!(double.intents().iter().map(|intent| &intent.id).collect::<Vec<_>>(), [&intent.id]);
}

#[tokio::test]
async fn a_key_that_a_500_is_kept_under_is_spent() {
    for fault in [Fault::ErrorBefore, Fault::ErrorAfter] {
        let (double, stripe) = start().await;
        let wanted = wanted();
        double.fail_next(Operation::Create, fault, 1);
        assert!(is_unavailable(stripe.create(&wanted).await));
        assert!(matches!(stripe.create(&wanted).await, Err(Failure::Spent(_))));
        assert!(matches!(stripe.create(&wanted).await, Err(Failure::Spent(_))));
        assert!(stripe.create(&NewIntent { attempt: 2, ..wanted }).await.is_ok());

        let paid = paid(&double, &stripe, &self::wanted()).await;
        double.fail_next(Operation::Refund, fault, 1);
        assert!(is_unavailable(stripe.refund(&paid.id, "refund-0").await));
        assert!(matches!(stripe.refund(&paid.id, "refund-0").await, Err(Failure::Spent(_))));
        assert_eq!(stripe.refund(&paid.id, "refund-1").await.unwrap().state, RefundState::Succeeded);
        assert_eq!((double.refunds().len(), double.total_refunded()), (1, 1999));
    }
}

#[tokio::test]
async fn a_key_that_another_amount_came_with_is_spent() {
    let (_double, stripe) = start().await;
    let wanted = wanted();
    stripe.create(&wanted).await.unwrap();
    let other = NewIntent { amount_minor: 2000, ..wanted };
    assert!(matches!(stripe.create(&other).await, Err(Failure::Spent(_))));
}

#[tokio::test]
async fn a_little_too_many_calls_are_waited_out() {
    let (double, stripe) = start().await;
    double.fail_next(Operation::Create, Fault::RateLimited, 2);
    assert!(stripe.create(&wanted()).await.is_ok());
    double.fail_next(Operation::Create, Fault::RateLimited, 20);
    assert!(is_unavailable(stripe.create(&wanted()).await));
}

#[tokio::test]
async fn an_amount_too_small_is_refused_in_words_for_the_client() {
    let (_double, stripe) = start().await;
    let failure = stripe.create(&NewIntent { amount_minor: 1, ..wanted() }).await.unwrap_err();
    assert!(matches!(&failure, Failure::Refused(words) if words.contains("at least")), "{failure:?}");
}

#[tokio::test]
async fn a_wrong_key_is_our_trouble_and_not_the_clients() {
    let (double, _) = start().await;
    let keys = StripeKeys::new("sk_test_of_somebody_else", "pk_test_1", "whsec_1").unwrap();
    let stripe = Stripe::new(double.url().parse().unwrap(), keys).unwrap();
    assert!(is_unavailable(stripe.create(&wanted()).await));
}

#[tokio::test]
async fn an_intent_is_cancelled_once_whatever_gets_lost() {
    let (double, stripe) = start().await;
    let wanted = wanted();
    let intent = stripe.create(&wanted).await.unwrap();
    double.fail_next(Operation::Cancel, Fault::DropAfter, 1);
    for _ in 0..3 {
        assert_eq!(stripe.cancel(&intent.id, &wanted).await.unwrap().state, IntentState::Cancelled);
    }
    assert_eq!(stripe.look_up(&intent.id, &wanted).await.unwrap().state, IntentState::Cancelled);
}

#[tokio::test]
async fn money_goes_back_once_whatever_gets_lost() {
    let (double, stripe) = start().await;
    let intent = paid(&double, &stripe, &wanted()).await;
    double.fail_next(Operation::Refund, Fault::DropAfter, 2);
    assert!(is_unavailable(stripe.refund(&intent.id, "refund-0").await));
    let refunds = join_all((0..8).map(|_| stripe.refund(&intent.id, "refund-0"))).await;
    let refunds: Vec<_> = refunds.into_iter().map(Result::unwrap).collect();
    assert!(refunds.iter().all(|refund| *refund == refunds[0]), "{refunds:?}");
    assert_eq!(refunds[0].state, RefundState::Succeeded);

    // By somebody who knows nothing of the first.
    assert_eq!(stripe.refund(&intent.id, "refund-1").await.unwrap().state, RefundState::Succeeded);
    assert_eq!((double.refunds().len(), double.total_refunded()), (1, 1999));
}

#[tokio::test]
async fn a_refund_that_fails_may_be_followed_by_another() {
    let (double, stripe) = start().await;
    double.set_refund_status(RefundStatus::Pending);
    let intent = paid(&double, &stripe, &wanted()).await;
    let first = stripe.refund(&intent.id, "refund-0").await.unwrap();
    assert_eq!(first.state, RefundState::Pending);
    assert!(double.settle_refund(&first.id, Outcome::Fails));
    assert_eq!(stripe.look_up_refund(&first.id).await.unwrap().state, RefundState::Failed);

    let second = stripe.refund(&intent.id, "refund-1").await.unwrap();
    assert_ne!(second.id, first.id);
    assert!(double.settle_refund(&second.id, Outcome::Succeeds));
    assert_eq!(stripe.look_up_refund(&second.id).await.unwrap().state, RefundState::Succeeded);
    assert_eq!(double.total_refunded(), 1999);
}

#[tokio::test]
async fn every_event_of_a_payment_is_read_and_ours() {
    let (double, stripe) = start().await;
    let wanted = wanted();
    let intent = stripe.create(&wanted).await.unwrap();
    double.confirm(&intent.client_secret, Card::Declined).await.unwrap();
    double.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    stripe.refund(&intent.id, "refund-0").await.unwrap();
    let other = stripe.create(&NewIntent { attempt: 2, ..wanted.clone() }).await.unwrap();
    stripe.cancel(&other.id, &wanted).await.unwrap();

    let now = OffsetDateTime::now_utc();
    let mut states = Vec::new();
    for event in double.events() {
        let payload = serde_json::to_vec_pretty(&event).unwrap();
        let signature = double.sign(&payload, now.unix_timestamp());
        let event = stripe.event(&payload, &signature, now).unwrap();
        assert!(event.own_account, "{event:?}");
        if let Some(snapshot) = event.snapshot {
            assert_eq!(snapshot.order_id, Some(wanted.order_id), "{snapshot:?}");
            assert_eq!((snapshot.amount_minor, snapshot.currency.as_str()), (1999, "EUR"));
            states.push((snapshot.intent_id == intent.id, snapshot.state));
        }
        assert_eq!(stripe.event(&payload, "t=1,v1=00", now), Err(BadEvent::Signature));
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
    assert!(!stripe.event(live.as_bytes(), &signature, now).unwrap().own_account);
}
