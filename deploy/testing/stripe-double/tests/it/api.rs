//! API keys, parameters and lists.

use bodega_stripe_double::Operation;
use reqwest::Method;
use serde_json::json;

use crate::merchant::{AMOUNT, Merchant, ORDER, intent_form};

#[tokio::test]
async fn returns_an_intent_with_the_properties_of_stripes_api() {
    let merchant = Merchant::new().await;
    let mut form = intent_form();
    form.push(("automatic_payment_methods[enabled]", "true"));
    let intent = merchant.post("payment_intents", &form).await;
    let id = intent.text("id");
    assert!(id.starts_with("pi_3") && id.len() == 27, "{id}");
    assert!(intent.text("client_secret").starts_with(&format!("{id}_secret_")));
    for (property, expected) in [
        ("object", json!("payment_intent")),
        ("amount", json!(AMOUNT)),
        ("amount_received", json!(0)),
        ("currency", json!("usd")),
        ("status", json!("requires_payment_method")),
        ("metadata", json!({"order_id": ORDER})),
        ("automatic_payment_methods", json!({"allow_redirects": "always", "enabled": true})),
        ("latest_charge", json!(null)),
        ("livemode", json!(false)),
    ] {
        assert_eq!(intent.body[property], expected, "{property}");
    }
    assert_eq!(merchant.get(&format!("payment_intents/{id}")).await.body, intent.body);
}

#[tokio::test]
async fn rejects_unknown_api_keys() {
    let merchant = Merchant::new().await;
    let account = || merchant.request(Method::GET, "account");
    let key = &merchant.stripe.options().secret_key;
    for request in [account(), account().bearer_auth("sk_test_other"), account().basic_auth("", Some(key))] {
        let response = merchant.send(request).await.unwrap();
        assert_eq!(
            (response.status, &response.body["error"]["type"]),
            (401, &json!("invalid_request_error"))
        );
        assert!(!response.body.to_string().contains("sk_test_other"));
    }
    assert_eq!(merchant.stripe.calls(), []);
    for request in [account().bearer_auth(key), account().basic_auth(key, Some(""))] {
        let response = merchant.send(request.header("Stripe-Version", "2026-10-28.endive")).await.unwrap();
        assert_eq!(response.text("id"), merchant.stripe.options().account);
        assert_eq!(response.headers["stripe-version"], "2026-10-28.endive");
    }
    let calls = merchant.stripe.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].version.as_deref(), Some("2026-10-28.endive"));
    assert_eq!(merchant.stripe.calls_of(Operation::Retrieve), 2);
}

#[tokio::test]
async fn a_publishable_key_only_accesses_the_intent_of_its_client_secret() {
    let merchant = Merchant::new().await;
    let intent = merchant.post("payment_intents", &intent_form()).await;
    let (id, secret) = (intent.text("id"), intent.text("client_secret"));
    let other = merchant.post("payment_intents", &intent_form()).await.text("client_secret");
    let path = format!("payment_intents/{id}");
    let browser = |path: &str| {
        merchant.request(Method::GET, path).bearer_auth(&merchant.stripe.options().publishable_key)
    };
    let retrieved = merchant.send(browser(&format!("{path}?client_secret={secret}"))).await.unwrap();
    assert_eq!(retrieved.body, intent.body);
    for (request, status, code) in [
        (browser(&format!("{path}?client_secret={other}")), 400, ""),
        (browser(&path), 400, "parameter_missing"),
        (browser("payment_intents"), 401, "secret_key_required"),
        (browser("refunds"), 401, "secret_key_required"),
    ] {
        let response = merchant.send(request).await.unwrap();
        assert_eq!((response.status, response.code()), (status, code), "{response:?}");
    }
    let key = merchant.stripe.options().publishable_key.clone();
    let form = [("key", &*key), ("client_secret", &secret), ("payment_method", "pm_card_visa")];
    let paid =
        merchant.send(merchant.request(Method::POST, &format!("{path}/confirm")).form(&form)).await.unwrap();
    assert_eq!(paid.text("status"), "succeeded");
}

#[tokio::test]
async fn names_the_invalid_parameter() {
    let merchant = Merchant::new().await;
    let long = "x".repeat(501);
    for (name, value, code) in [
        ("colour", "red", "parameter_unknown"),
        ("confirm", "true", "parameter_unknown"),
        ("amount", "19.99", "parameter_invalid_integer"),
        ("amount", "0", "parameter_invalid_integer"),
        ("amount", "", "parameter_invalid_empty"),
        ("amount", "49", "amount_too_small"),
        ("amount", "100000000", "amount_too_large"),
        ("currency", "dollars", ""),
        ("metadata[order_id]", &long, ""),
    ] {
        let mut form: Vec<_> = intent_form().into_iter().filter(|(known, _)| *known != name).collect();
        form.push((name, value));
        let response = merchant.post("payment_intents", &form).await;
        assert_eq!((response.status, response.code()), (400, code), "{name}={value} {response:?}");
        assert_eq!(response.body["error"]["param"], name.split('[').next().unwrap(), "{name}={value}");
    }
    for name in ["amount", "currency"] {
        let form: Vec<_> = intent_form().into_iter().filter(|(known, _)| *known != name).collect();
        assert_eq!(merchant.post("payment_intents", &form).await.code(), "parameter_missing", "{name}");
    }
    let json = merchant.request(Method::POST, "payment_intents").json(&json!({"amount": 1999}));
    let json = json.bearer_auth(&merchant.stripe.options().secret_key);
    assert_eq!(merchant.send(json).await.unwrap().status, 400);
    assert!(merchant.stripe.intents().is_empty());
}

#[tokio::test]
async fn returns_404_for_unknown_ids_and_urls() {
    let merchant = Merchant::new().await;
    for path in ["payment_intents/pi_1", "refunds/re_1", "charges/ch_1"] {
        let response = merchant.get(path).await;
        assert_eq!((response.status, response.code()), (404, "resource_missing"), "{path}");
    }
    assert_eq!(merchant.get("payment_intents/pi_1/confirm").await.status, 404);
    assert_eq!(merchant.get("customers").await.status, 404);
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let merchant = Merchant::new().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.insert(0, merchant.create_intent().await);
    }
    let page = async |query: &str| {
        let response = merchant.get(&format!("payment_intents{query}")).await;
        let found = response.body["data"].as_array().unwrap().iter();
        let found: Vec<_> = found.map(|intent| intent["id"].as_str().unwrap().to_owned()).collect();
        (found, response.body["has_more"].as_bool().unwrap())
    };
    assert_eq!(page("").await, (ids[..10].to_vec(), true));
    assert_eq!(page("?limit=12").await, (ids.clone(), false));
    assert_eq!(page(&format!("?starting_after={}", ids[9])).await, (ids[10..].to_vec(), false));
    assert_eq!(merchant.get("payment_intents?limit=101").await.status, 400);
}

#[tokio::test]
async fn expands_ids_to_objects() {
    let merchant = Merchant::new().await;
    let intent = merchant.create_paid_intent().await;
    let plain = merchant.get(&format!("payment_intents/{intent}")).await.body;
    let expanded = merchant.get(&format!("payment_intents/{intent}?expand[]=latest_charge")).await.body;
    assert_eq!(expanded["latest_charge"]["id"], plain["latest_charge"]);
    assert_eq!(expanded["latest_charge"]["payment_intent"], json!(intent));
    let listed = merchant.get("payment_intents?expand[]=data.latest_charge").await.body;
    assert_eq!(listed["data"][0], expanded);
    assert_eq!(merchant.get("payment_intents?expand[]=data.amount").await.status, 400);
}
