//! Injected faults and their effects.

use std::time::{Duration, Instant};

use bodega_stripe_double::{Card, Fault, Operation};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::merchant::{AMOUNT, Merchant, ORDER, intent_form};

/// For everything that is not delayed on purpose.
const TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn drop_after_executes_the_request_and_sends_nothing() {
    let merchant = Merchant::new().await;
    let intent = merchant.create_intent().await;
    merchant.stripe.fail_next(Operation::Confirm, Fault::DropAfter, 1);
    let mut stream = TcpStream::connect(merchant.stripe.url().trim_start_matches("http://")).await.unwrap();
    let form = "payment_method=pm_card_visa";
    let request = format!(
        "POST /v1/payment_intents/{intent}/confirm HTTP/1.1\r\nHost: stripe\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        merchant.stripe.options().secret_key,
        form.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    let closed = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut response)).await;
    assert!(closed.is_ok() && response.is_empty(), "{}", String::from_utf8_lossy(&response));
    assert_eq!(merchant.stripe.intent(&intent).unwrap().amount_received, AMOUNT);
    assert_eq!(merchant.event_types()[1..], ["charge.succeeded", "payment_intent.succeeded"]);
}

#[tokio::test]
async fn a_dropped_response_is_replayed_for_its_idempotency_key() {
    let merchant = Merchant::new().await;
    merchant.stripe.fail_next(Operation::Create, Fault::DropAfter, 2);
    for _ in 0..2 {
        assert!(merchant.try_post("payment_intents", &intent_form(), "k").await.is_none());
        assert_eq!(merchant.stripe.intents().len(), 1);
    }
    let replay = merchant.post_with("payment_intents", &intent_form(), "k").await;
    assert!(replay.is_replay());
    assert_eq!(replay.text("id"), merchant.stripe.intents()[0].id);
}

#[tokio::test]
async fn drop_before_has_no_effect_and_uses_no_idempotency_key() {
    let merchant = Merchant::new().await;
    merchant.stripe.fail_next(Operation::Create, Fault::DropBefore, 1);
    assert!(merchant.try_post("payment_intents", &intent_form(), "k").await.is_none());
    assert!(merchant.stripe.intents().is_empty());
    let made = merchant.post_with("payment_intents", &intent_form(), "k").await;
    assert!(made.status == 200 && !made.is_replay());
    assert_eq!(merchant.stripe.calls_of(Operation::Create), 2);
}

#[tokio::test]
async fn a_500_is_stored_under_its_idempotency_key() {
    for (fault, made) in [(Fault::ErrorBefore, 0), (Fault::ErrorAfter, 1)] {
        let merchant = Merchant::new().await;
        merchant.stripe.fail_next(Operation::Create, fault, 1);
        let first = merchant.post_with("payment_intents", &intent_form(), "k").await;
        let again = merchant.post_with("payment_intents", &intent_form(), "k").await;
        assert_eq!((first.status, again.status), (500, 500));
        assert_eq!(first.body["error"]["type"], "api_error");
        assert!(!first.is_replay() && again.is_replay());
        assert_eq!(merchant.stripe.intents().len(), made);
        assert_eq!(merchant.post_with("payment_intents", &intent_form(), "l").await.status, 200);
    }
}

#[tokio::test]
async fn the_keys_of_another_account_execute_nothing() {
    let merchant = Merchant::new().await;
    merchant.stripe.fail_next(Operation::Create, Fault::OtherAccount, 1);
    let unknown = merchant.post_with("payment_intents", &intent_form(), "k").await;
    assert_eq!((unknown.status, &unknown.body["error"]["code"]), (404, &"resource_missing".into()));
    let made = merchant.post_with("payment_intents", &intent_form(), "k").await;
    assert!(made.status == 200 && !made.is_replay());
    assert_eq!(merchant.stripe.intents().len(), 1);
}

#[tokio::test]
async fn completes_the_request_of_a_disconnected_client() {
    let merchant = Merchant::new().await;
    merchant.stripe.fail_next(Operation::Create, Fault::DelayBefore(Duration::from_secs(1)), 1);
    let request = merchant.request(Method::POST, "payment_intents").form(&intent_form());
    let request = request.bearer_auth(&merchant.stripe.options().secret_key);
    assert!(request.timeout(Duration::from_millis(50)).send().await.unwrap_err().is_timeout());
    assert!(merchant.stripe.intents().is_empty());
    let since = Instant::now();
    while merchant.stripe.intents().is_empty() {
        assert!(since.elapsed() < TIMEOUT);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn delay_after_executes_the_request_at_once() {
    let merchant = Merchant::new().await;
    let delay = Duration::from_millis(300);
    merchant.stripe.fail_next(Operation::Create, Fault::DelayAfter(delay), 1);
    let since = Instant::now();
    let form = intent_form();
    let (late, replay) = tokio::join!(merchant.post_with("payment_intents", &form, "k"), async {
        while merchant.stripe.intents().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        merchant.post_with("payment_intents", &form, "k").await
    });
    assert!(since.elapsed() >= delay);
    assert!(!late.is_replay() && replay.is_replay());
    assert_eq!(late.body, replay.body);
}

#[tokio::test]
async fn confirm_retries_through_all_faults_and_pays_once() {
    let merchant = Merchant::new().await;
    for fault in
        [Fault::DropAfter, Fault::DropBefore, Fault::ErrorBefore, Fault::ErrorAfter, Fault::RateLimited]
    {
        merchant.stripe.fail_sometimes(Operation::Confirm, fault, 0.2);
    }
    for _ in 0..20 {
        let secret = merchant.post("payment_intents", &intent_form()).await.text("client_secret");
        let paid = merchant.stripe.confirm(&secret, Card::Visa).await.unwrap();
        assert_eq!(paid["status"], "succeeded");
    }
    let calls = merchant.stripe.calls_of(Operation::Confirm);
    assert!(calls > 30, "{calls}");
    assert_eq!(merchant.stripe.charges_of(ORDER).len(), 20);
    merchant.stripe.clear_faults();
    merchant.create_paid_intent().await;
    assert_eq!(merchant.stripe.calls_of(Operation::Confirm), calls + 1);
}

#[tokio::test]
async fn stops_when_the_last_handle_is_dropped() {
    let merchant = Merchant::new().await;
    let address = merchant.stripe.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let clone = merchant.stripe.clone();
    drop(merchant);
    TcpStream::connect(&address).await.unwrap();
    drop(clone);
    let mut response = Vec::new();
    let read = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut response)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
    assert!(TcpStream::connect(&address).await.is_err());
}
