//! A client of the double, with the merchant's keys.

use bodega_stripe_double::{Card, Options, StripeDouble};
use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;

/// The amount of every intent here.
pub(crate) const AMOUNT: i64 = 1999;
/// The order of every intent here.
pub(crate) const ORDER: &str = "order-1";

/// A client with its own double.
pub(crate) struct Merchant {
    pub(crate) stripe: StripeDouble,
    http: reqwest::Client,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Merchant {
    pub(crate) async fn new() -> Self {
        let stripe = StripeDouble::start(Options::default()).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        Self { stripe, http: http.build().unwrap() }
    }

    /// Prepares a request without an API key.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/v1/{path}", self.stripe.url()))
    }

    /// Sends a request; returns `None` when the connection is closed without a response.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Option<Response> {
        match request.send().await {
            Ok(response) => {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                Some(Response { status, headers, body: response.json().await.unwrap() })
            }
            Err(error) => {
                assert!(!error.is_connect() && !error.is_timeout(), "{error:?}");
                None
            }
        }
    }

    /// Posts with an idempotency key, unless it is empty; returns `None` when there is no response.
    pub(crate) async fn try_post(&self, path: &str, form: &[(&str, &str)], key: &str) -> Option<Response> {
        let request = self.request(reqwest::Method::POST, path).form(form);
        let request = request.bearer_auth(&self.stripe.options().secret_key);
        self.send(if key.is_empty() { request } else { request.header("Idempotency-Key", key) }).await
    }

    /// Posts with an idempotency key, unless it is empty.
    pub(crate) async fn post_with(&self, path: &str, form: &[(&str, &str)], key: &str) -> Response {
        self.try_post(path, form, key).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.post_with(path, form, "").await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        let request = self.request(reqwest::Method::GET, path);
        self.send(request.bearer_auth(&self.stripe.options().secret_key)).await.unwrap()
    }

    /// Creates an intent and returns its id.
    pub(crate) async fn create_intent(&self) -> String {
        let response = self.post("payment_intents", &intent_form()).await;
        assert_eq!(response.status, 200, "{response:?}");
        response.text("id")
    }

    /// Creates and pays an intent and returns its id.
    pub(crate) async fn create_paid_intent(&self) -> String {
        let intent = self.create_intent().await;
        let paid = self.stripe.confirm(&intent, Card::Visa).await.unwrap();
        assert_eq!(paid["status"], "succeeded");
        intent
    }

    /// Returns the types of all events so far.
    pub(crate) fn event_types(&self) -> Vec<String> {
        self.stripe.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Merchant {
    /// Checks that the ledger is consistent, after every test.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.stripe.check(), Vec::<String>::new());
        }
    }
}

impl Response {
    pub(crate) fn text(&self, property: &str) -> String {
        self.body[property].as_str().unwrap().to_owned()
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn is_replay(&self) -> bool {
        self.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
    }
}

/// Parameters of a new intent.
pub(crate) fn intent_form() -> Vec<(&'static str, &'static str)> {
    vec![("amount", "1999"), ("currency", "usd"), ("metadata[order_id]", ORDER)]
}
