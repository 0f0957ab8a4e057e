//! Responses stored under idempotency keys.

use std::time::Duration;

use bodega_stripe_double::{Fault, Operation};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::merchant::{Merchant, intent_form};

#[tokio::test]
async fn the_same_request_with_the_same_key_executes_once() {
    let merchant = Merchant::new().await;
    let first = merchant.post_with("payment_intents", &intent_form(), "k").await;
    assert!(!first.is_replay());
    let mut form = intent_form();
    form.reverse();
    let again = merchant.post_with("payment_intents", &form, "k").await;
    assert!(again.is_replay());
    assert_eq!(again.headers["original-request"], first.headers["request-id"]);
    assert_eq!(again.headers["idempotency-key"], "k");
    assert_eq!((again.status, &again.body), (200, &first.body));
    let other = merchant.post_with("payment_intents", &intent_form(), "l").await;
    assert_ne!(other.body["id"], first.body["id"]);
    assert_eq!(merchant.stripe.intents().len(), 2);
    let event = &merchant.stripe.events()[0];
    assert_eq!(event["request"]["idempotency_key"], "k");
    assert_eq!(event["request"]["id"], first.headers["request-id"].to_str().unwrap());
}

#[tokio::test]
async fn replays_the_original_response_after_the_object_changed() {
    let merchant = Merchant::new().await;
    let first = merchant.post_with("payment_intents", &intent_form(), "k").await;
    merchant.post(&format!("payment_intents/{}/cancel", first.text("id")), &[]).await;
    let again = merchant.post_with("payment_intents", &intent_form(), "k").await;
    assert_eq!(again.body["status"], "requires_payment_method");
}

#[tokio::test]
async fn rejects_another_request_with_the_same_key() {
    let merchant = Merchant::new().await;
    let id = merchant.post_with("payment_intents", &intent_form(), "k").await.text("id");
    let other_amount = [("amount", "2000"), ("currency", "usd")];
    for (path, form) in [("payment_intents", &other_amount[..]), ("refunds", &[("payment_intent", &*id)])] {
        let response = merchant.post_with(path, form, "k").await;
        assert_eq!((response.status, &response.body["error"]["type"]), (400, &json!("idempotency_error")));
        assert!(!response.is_replay());
    }
    let cancel = async |id: &str| merchant.post_with(&format!("payment_intents/{id}/cancel"), &[], "c").await;
    assert_eq!(cancel(&id).await.status, 200);
    let other = merchant.create_intent().await;
    assert_eq!(cancel(&other).await.body["error"]["type"], "idempotency_error");
    let long = merchant.post_with("payment_intents", &intent_form(), &"k".repeat(256)).await;
    assert_eq!(long.status, 400);
    assert_eq!(merchant.stripe.intents().len(), 2);
}

#[tokio::test]
async fn returns_409_while_the_first_request_executes() {
    let merchant = Merchant::new().await;
    let delay = Fault::DelayBefore(Duration::from_secs(1));
    merchant.stripe.fail_next(Operation::Create, delay, 1);
    let form = intent_form();
    let responses = join_all((0..8).map(|_| merchant.post_with("payment_intents", &form, "k"))).await;
    let (made, rejected): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response.status == 200);
    assert_eq!((made.len(), rejected.len()), (1, 7));
    for response in rejected {
        assert_eq!((response.status, response.code()), (409, "idempotency_key_in_use"));
    }
    assert!(merchant.post_with("payment_intents", &form, "k").await.is_replay());
    assert_eq!(merchant.stripe.intents().len(), 1);
}

#[tokio::test]
async fn stores_errors_of_executed_requests() {
    let merchant = Merchant::new().await;
    let small = [("amount", "49"), ("currency", "usd")];
    let intent = merchant.create_intent().await;
    let confirm = format!("payment_intents/{intent}/confirm");
    let declined = [("payment_method", "pm_card_chargeDeclined")];
    for (path, form, status) in [
        ("payment_intents", &small[..], 400),
        ("refunds", &[("payment_intent", "pi_1")], 404),
        (&confirm, &declined, 402),
    ] {
        let first = merchant.post_with(path, form, path).await;
        let again = merchant.post_with(path, form, path).await;
        assert_eq!((first.status, again.status), (status, status), "{path}");
        assert_eq!(first.body, again.body);
        assert!(!first.is_replay() && again.is_replay(), "{path}");
    }
    assert_eq!(merchant.stripe.charges().len(), 1);
}

#[tokio::test]
async fn requests_rejected_before_execution_do_not_use_the_key() {
    let merchant = Merchant::new().await;
    let unknown = [("amount", "1999"), ("currency", "usd"), ("colour", "red")];
    assert_eq!(merchant.post_with("payment_intents", &unknown, "k").await.code(), "parameter_unknown");
    let unauthenticated = merchant.request(Method::POST, "payment_intents").header("Idempotency-Key", "k");
    assert_eq!(merchant.send(unauthenticated.form(&intent_form())).await.unwrap().status, 401);
    merchant.stripe.fail_next(Operation::Create, Fault::RateLimited, 1);
    assert_eq!(merchant.post_with("payment_intents", &intent_form(), "k").await.status, 429);
    let made = merchant.post_with("payment_intents", &intent_form(), "k").await;
    assert!(made.status == 200 && !made.is_replay());
}

#[tokio::test]
async fn ignores_the_key_of_get_requests() {
    let merchant = Merchant::new().await;
    let id = merchant.create_intent().await;
    let read = async || {
        let request = merchant.request(Method::GET, &format!("payment_intents/{id}"));
        let request = request.bearer_auth(&merchant.stripe.options().secret_key);
        merchant.send(request.header("Idempotency-Key", "k")).await.unwrap()
    };
    assert_eq!(read().await.body["status"], "requires_payment_method");
    merchant.post_with(&format!("payment_intents/{id}/cancel"), &[], "k").await;
    assert_eq!(read().await.body["status"], "canceled");
}
