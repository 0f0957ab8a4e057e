//! Calls as they are on the wire.

#[path = "scripted_server.rs"]
mod canned;
mod double;

use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;

use self::canned::{Canned, Reply};
use super::*;

const OPEN: &str = r#"{"id":"pi_1","client_secret":"pi_1_secret","status":"requires_payment_method","amount":1999,
    "amount_received":0,"currency":"usd","metadata":{},"latest_charge":null}"#;
const SUCCEEDED: &str =
    r#"{"id":"pi_1","status":"succeeded","amount":1999,"amount_received":1999,"currency":"usd"}"#;
const IN_USE: &str = r#"{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}"#;
const UNEXPECTED_STATE: &str =
    r#"{"error":{"type":"invalid_request_error","code":"payment_intent_unexpected_state"}}"#;

fn wanted() -> NewIntent {
    NewIntent {
        order_id: Uuid::from_u128(1),
        payment_id: Uuid::from_u128(2),
        attempt: 3,
        amount_minor: 1999,
        currency: "USD".to_owned(),
    }
}

fn stripe(url: &str) -> Stripe {
    let keys = StripeKeys::new("sk_test_hunter2", "pk_test_1", "whsec_1").unwrap();
    Stripe::new(url.parse().unwrap(), keys).unwrap()
}

async fn answering(replies: Vec<Reply>) -> (Stripe, Canned) {
    let canned = Canned::start(replies).await;
    (stripe(&canned.url), canned)
}

fn ok(body: &'static str) -> Reply {
    Reply::Answer(200, "content-type: application/json\r\n", body)
}

fn is_unavailable<T>(outcome: Result<T, Failure>) -> bool {
    matches!(outcome, Err(Failure::Unavailable(_)))
}

#[tokio::test]
async fn an_intent_is_asked_for_by_order_and_attempt() {
    let (stripe, canned) = answering(vec![ok(OPEN)]).await;
    let intent = stripe.create(&wanted()).await.unwrap();
    assert_eq!((intent.id.as_str(), intent.client_secret.as_str()), ("pi_1", "pi_1_secret"));

    let asked = canned.asked();
    let (head, body) = asked[0].split_once("\n\n").unwrap();
    assert!(head.starts_with("post /v1/payment_intents http/1.1"), "{head}");
    for line in [
        "authorization: bearer sk_test_hunter2",
        "content-type: application/x-www-form-urlencoded",
        "idempotency-key: bodega-00000000-0000-0000-0000-000000000001-3",
        "stripe-version: 2026-10-28.endive",
    ] {
        assert!(head.lines().any(|found| found == line), "{line} in {head}");
    }
    assert!(head.contains("user-agent: bodega/"), "{head}");
    assert_eq!(
        body,
        "amount=1999&currency=usd&metadata%5Border_id%5D=00000000-0000-0000-0000-000000000001\
         &metadata%5Bpayment_id%5D=00000000-0000-0000-0000-000000000002&metadata%5Battempt%5D=3"
    );
}

#[tokio::test]
async fn ids_are_parts_of_a_path_and_never_a_path() {
    let (stripe, canned) = answering(vec![ok(SUCCEEDED)]).await;
    stripe.look_up("../charges?x=1", &wanted()).await.unwrap();
    let expected = "get /v1/payment_intents/..%2fcharges%3fx=1?expand[]=latest_charge http/1.1";
    assert!(canned.asked()[0].starts_with(expected), "{}", canned.asked()[0]);
}

#[tokio::test]
async fn what_answers_in_stripes_place_may_be_below_a_path() {
    let canned = Canned::start(vec![ok(SUCCEEDED)]).await;
    for base in [format!("{}/stripe", canned.url), format!("{}/stripe/", canned.url)] {
        self::stripe(&base).look_up("pi_1", &wanted()).await.unwrap();
    }
    let below = |asked: &String| asked.starts_with("get /stripe/v1/payment_intents/pi_1?");
    assert!(canned.asked().iter().all(below), "{:?}", canned.asked());
}

#[tokio::test]
async fn a_lost_reply_is_asked_for_once_more_with_the_same_key() {
    let (stripe, canned) = answering(vec![Reply::Lost, ok(OPEN)]).await;
    stripe.create(&wanted()).await.unwrap();
    let asked = canned.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1]);
}

#[tokio::test]
async fn replies_that_stay_lost_leave_it_open() {
    let (stripe, canned) = answering(vec![Reply::Lost]).await;
    assert!(is_unavailable(stripe.create(&wanted()).await));
    assert_eq!(canned.asked().len(), 2);
}

#[tokio::test]
async fn somebody_else_at_the_same_key_is_waited_for_and_not_for_long() {
    let in_use = || Reply::Answer(409, "", IN_USE);
    let (stripe, canned) = answering(vec![in_use(), Reply::Answer(429, "", "{}"), ok(OPEN)]).await;
    stripe.create(&wanted()).await.unwrap();
    assert_eq!(canned.asked().len(), 3);

    let (stripe, _canned) = answering(vec![in_use()]).await;
    let begun = Instant::now();
    assert!(is_unavailable(stripe.create(&wanted()).await));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_silent_peer_is_given_up_within_its_bound() {
    let (stripe, _canned) = answering(vec![Reply::Silence]).await;
    let begun = Instant::now();
    assert!(is_unavailable(stripe.create(&wanted()).await));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn nobody_there_is_told_at_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = stripe(&url).create(&wanted()).await.unwrap_err();
    assert_eq!(failure, Failure::Unavailable("there is no connection".to_owned()));
}

#[tokio::test]
async fn the_key_is_not_carried_elsewhere() {
    let elsewhere = Canned::start(vec![ok(SUCCEEDED)]).await;
    let location = format!("location: {}/v1/payment_intents/pi_1\r\n", elsewhere.url);
    let (stripe, _canned) = answering(vec![Reply::Answer(307, location.leak(), "")]).await;
    assert!(is_unavailable(stripe.look_up("pi_1", &wanted()).await));
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn a_success_that_cannot_be_used_is_none() {
    let long = json!({ "id": "x".repeat(2 << 20) }).to_string();
    let no_secret = r#"{"id":"pi_1","status":"requires_payment_method","amount":1999,"currency":"usd"}"#;
    for body in ["", "<html>", "{}", no_secret, long.leak()] {
        let (stripe, _canned) = answering(vec![ok(body)]).await;
        assert!(is_unavailable(stripe.create(&wanted()).await), "{:.80}", body);
    }
}

#[tokio::test]
async fn what_cannot_be_called_off_tells_how_far_it_has_come() {
    let refused = || Reply::Answer(400, "", UNEXPECTED_STATE);
    let (stripe, canned) = answering(vec![refused(), ok(SUCCEEDED)]).await;
    let snapshot = stripe.cancel("pi_1", &wanted()).await.unwrap();
    assert_eq!((snapshot.state, snapshot.amount_minor), (IntentState::Succeeded, 1999));
    assert!(canned.asked()[0].starts_with("post /v1/payment_intents/pi_1/cancel http/1.1"));

    let (stripe, _canned) = answering(vec![refused(), ok(OPEN)]).await;
    assert!(matches!(stripe.cancel("pi_1", &wanted()).await, Err(Failure::Refused(_))));
}

#[tokio::test]
async fn a_refund_is_of_all_that_is_left() {
    let pending = r#"{"id":"re_1","status":"pending"}"#;
    let (stripe, canned) = answering(vec![ok(pending), ok(r#"{"id":"re_1","status":"failed"}"#)]).await;
    let refund = stripe.refund("pi_1", "key-1").await.unwrap();
    assert_eq!(refund, Refund { id: "re_1".to_owned(), state: RefundState::Pending });
    let asked = canned.asked().remove(0);
    assert!(
        asked.contains("\nidempotency-key: key-1") && asked.ends_with("\n\npayment_intent=pi_1"),
        "{asked}"
    );
    assert_eq!(stripe.look_up_refund("re_1").await.unwrap().state, RefundState::Failed);

    let back_before = r#"{"error":{"type":"invalid_request_error","code":"charge_already_refunded"}}"#;
    let (stripe, _canned) = answering(vec![Reply::Answer(400, "", back_before)]).await;
    let refund = stripe.refund("pi_1", "key-1").await.unwrap();
    assert_eq!(refund, Refund { id: String::new(), state: RefundState::Succeeded });
}

#[tokio::test]
async fn an_amount_that_cannot_be_charged_is_not_asked_for() {
    let (stripe, canned) = answering(vec![ok(OPEN)]).await;
    let wanted = NewIntent { amount_minor: 5124, currency: "KWD".to_owned(), ..wanted() };
    assert!(matches!(stripe.create(&wanted).await, Err(Failure::Refused(_))));
    assert!(canned.asked().is_empty());
}
