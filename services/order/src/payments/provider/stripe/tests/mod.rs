//! HTTP requests and responses, against a scripted server.

mod double;
mod partial_refunds;
mod scripted_server;

use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;

use self::scripted_server::{Action, ScriptedServer};
use super::*;

const OPEN: &str = r#"{"id":"pi_1","client_secret":"pi_1_secret","status":"requires_payment_method","amount":1999,
    "amount_received":0,"currency":"usd","metadata":{},"latest_charge":null}"#;
const SUCCEEDED: &str =
    r#"{"id":"pi_1","status":"succeeded","amount":1999,"amount_received":1999,"currency":"usd"}"#;
const IN_USE: &str = r#"{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}"#;
const UNEXPECTED_STATE: &str =
    r#"{"error":{"type":"invalid_request_error","code":"payment_intent_unexpected_state"}}"#;

fn new_intent() -> NewIntent {
    NewIntent {
        order_id: Uuid::from_u128(1),
        payment_id: Uuid::from_u128(2),
        attempt: 3,
        amount_minor: 1999,
        currency: "USD".to_owned(),
    }
}

fn stripe(url: &str) -> Stripe {
    let keys = Keys::new("sk_test_hunter2", "pk_test_1", "whsec_1").unwrap();
    Stripe::new(url.parse().unwrap(), keys).unwrap()
}

async fn stripe_with(actions: Vec<Action>) -> (Stripe, ScriptedServer) {
    let server = ScriptedServer::start(actions).await;
    (stripe(&server.url), server)
}

fn ok(body: &'static str) -> Action {
    Action::Response(200, "content-type: application/json\r\n", body)
}

fn is_unavailable<T>(result: Result<T, ProviderError>) -> bool {
    matches!(result, Err(ProviderError::Unavailable(_)))
}

#[tokio::test]
async fn creates_an_intent_with_order_and_attempt_as_its_key() {
    let (stripe, server) = stripe_with(vec![ok(OPEN)]).await;
    let intent = stripe.create_intent(&new_intent()).await.unwrap();
    assert_eq!((intent.id.as_str(), intent.client_secret.as_str()), ("pi_1", "pi_1_secret"));

    let requests = server.requests();
    let (head, body) = requests[0].split_once("\n\n").unwrap();
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
async fn ids_are_escaped_in_the_path() {
    let (stripe, server) = stripe_with(vec![ok(SUCCEEDED)]).await;
    stripe.retrieve_intent("../charges?x=1", &new_intent()).await.unwrap();
    let expected = "get /v1/payment_intents/..%2fcharges%3fx=1?expand[]=latest_charge http/1.1";
    assert!(server.requests()[0].starts_with(expected), "{}", server.requests()[0]);
}

#[tokio::test]
async fn the_base_url_may_have_a_path() {
    let server = ScriptedServer::start(vec![ok(SUCCEEDED)]).await;
    for base in [format!("{}/stripe", server.url), format!("{}/stripe/", server.url)] {
        self::stripe(&base).retrieve_intent("pi_1", &new_intent()).await.unwrap();
    }
    let below = |request: &String| request.starts_with("get /stripe/v1/payment_intents/pi_1?");
    assert!(server.requests().iter().all(below), "{:?}", server.requests());
}

#[tokio::test]
async fn a_lost_response_is_retried_once_with_the_same_key() {
    let (stripe, server) = stripe_with(vec![Action::Disconnect, ok(OPEN)]).await;
    stripe.create_intent(&new_intent()).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
}

#[tokio::test]
async fn repeatedly_lost_responses_count_as_unavailable() {
    let (stripe, server) = stripe_with(vec![Action::Disconnect]).await;
    assert!(is_unavailable(stripe.create_intent(&new_intent()).await));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn conflicts_are_retried_a_few_times() {
    let in_use = || Action::Response(409, "", IN_USE);
    let (stripe, server) = stripe_with(vec![in_use(), Action::Response(429, "", "{}"), ok(OPEN)]).await;
    stripe.create_intent(&new_intent()).await.unwrap();
    assert_eq!(server.requests().len(), 3);

    let (stripe, _server) = stripe_with(vec![in_use()]).await;
    let started = Instant::now();
    assert!(is_unavailable(stripe.create_intent(&new_intent()).await));
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let (stripe, _server) = stripe_with(vec![Action::Silence]).await;
    let started = Instant::now();
    assert!(is_unavailable(stripe.create_intent(&new_intent()).await));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_refused_connection_fails_at_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = stripe(&url).create_intent(&new_intent()).await.unwrap_err();
    assert_eq!(error, ProviderError::Unavailable("cannot connect".to_owned()));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = ScriptedServer::start(vec![ok(SUCCEEDED)]).await;
    let location = format!("location: {}/v1/payment_intents/pi_1\r\n", elsewhere.url);
    let (stripe, _server) = stripe_with(vec![Action::Response(307, location.leak(), "")]).await;
    assert!(is_unavailable(stripe.retrieve_intent("pi_1", &new_intent()).await));
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn invalid_success_responses_count_as_unavailable() {
    let long = json!({ "id": "x".repeat(2 << 20) }).to_string();
    let no_secret = r#"{"id":"pi_1","status":"requires_payment_method","amount":1999,"currency":"usd"}"#;
    for body in ["", "<html>", "{}", no_secret, long.leak()] {
        let (stripe, _server) = stripe_with(vec![ok(body)]).await;
        assert!(is_unavailable(stripe.create_intent(&new_intent()).await), "{:.80}", body);
    }
}

#[tokio::test]
async fn a_rejected_cancellation_returns_the_state() {
    let rejected = || Action::Response(400, "", UNEXPECTED_STATE);
    let (stripe, server) = stripe_with(vec![rejected(), ok(SUCCEEDED)]).await;
    let snapshot = stripe.cancel_intent("pi_1", &new_intent()).await.unwrap();
    assert_eq!((snapshot.state, snapshot.amount_minor), (IntentState::Succeeded, 1999));
    assert!(server.requests()[0].starts_with("post /v1/payment_intents/pi_1/cancel http/1.1"));

    let (stripe, _server) = stripe_with(vec![rejected(), ok(OPEN)]).await;
    assert!(matches!(stripe.cancel_intent("pi_1", &new_intent()).await, Err(ProviderError::Rejected(_))));
}

#[tokio::test]
async fn refunds_the_remaining_amount() {
    let pending = r#"{"id":"re_1","status":"pending"}"#;
    let (stripe, server) = stripe_with(vec![ok(pending), ok(r#"{"id":"re_1","status":"failed"}"#)]).await;
    let refund = stripe.refund("pi_1", "key-1").await.unwrap();
    assert_eq!(refund, Refund { id: "re_1".to_owned(), state: RefundState::Pending });
    let request = server.requests().remove(0);
    assert!(
        request.contains("\nidempotency-key: key-1") && request.ends_with("\n\npayment_intent=pi_1"),
        "{request}"
    );
    assert_eq!(stripe.retrieve_refund("re_1").await.unwrap().state, RefundState::Failed);

    let already_refunded = r#"{"error":{"type":"invalid_request_error","code":"charge_already_refunded"}}"#;
    let (stripe, _server) = stripe_with(vec![Action::Response(400, "", already_refunded)]).await;
    let refund = stripe.refund("pi_1", "key-1").await.unwrap();
    assert_eq!(refund, Refund { id: String::new(), state: RefundState::Succeeded });
}

#[tokio::test]
async fn amounts_that_cannot_be_charged_are_not_sent() {
    let (stripe, server) = stripe_with(vec![ok(OPEN)]).await;
    let new_intent = NewIntent { amount_minor: 5124, currency: "KWD".to_owned(), ..new_intent() };
    assert!(matches!(stripe.create_intent(&new_intent).await, Err(ProviderError::Rejected(_))));
    assert!(server.requests().is_empty());
}
