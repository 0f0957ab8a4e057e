//! REST requests that are recorded in the journal and retried.

use std::{sync::Arc, time::Duration};

use rand::{SeedableRng as _, rngs::StdRng};
use reqwest::{Method, header::RETRY_AFTER};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    counters::{Counters, increment},
    redaction::redact,
    retry_profile::RetryProfile,
};
use crate::journal::{Exchange, Journal};

/// The store promises a response within 2 s; the longer timeout shows by how much it is late.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Creates a connection pool for any number of clients.
pub(super) fn connection_pool() -> reqwest::Result<reqwest::Client> {
    let http = reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT);
    http.connect_timeout(CONNECT_TIMEOUT).tls_certs_only([]).build()
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    method: Method,
    path: String,
    idempotency_key: Option<String>,
    /// A header with the token of a guest, and its value.
    guest_token: Option<(&'static str, String)>,
    /// Null for no body.
    body: Value,
}

impl Request {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, Value::Null)
    }

    pub(super) fn post(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::POST, path, body)
    }

    pub(super) fn put(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::PUT, path, body)
    }

    pub(super) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, Value::Null)
    }

    fn new(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self { method, path: path.into(), idempotency_key: None, guest_token: None, body }
    }

    pub(super) fn with_idempotency_key(self, idempotency_key: Option<String>) -> Self {
        Self { idempotency_key, ..self }
    }

    pub(super) fn with_guest_token(self, header: &'static str, token: &str) -> Self {
        Self { guest_token: Some((header, token.to_owned())), ..self }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    retry_after: Option<u64>,
    /// Null if the body is not JSON.
    pub(super) json: Value,
}

impl Response {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether a retry would not change the response: neither 5xx nor 429.
    fn is_final(&self) -> bool {
        self.status < 500 && self.status != 429
    }

    /// Returns the problem's code, or an empty string.
    pub(super) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }
}

pub(super) struct ApiClient {
    http: reqwest::Client,
    url: String,
    journal: Journal,
    pub(super) counters: Arc<Counters>,
    number: usize,
    pub(super) retry_profile: RetryProfile,
    /// Separate from the client's generator: scenarios must not depend on the number of retries.
    jitter: StdRng,
    /// No request is sent once it is cancelled.
    pub(super) stop: CancellationToken,
    /// Empty before it is known.
    pub(super) user: String,
    pub(super) token: Option<String>,
}

impl ApiClient {
    pub(super) fn new(number: usize, seed: u64, http: reqwest::Client, url: &str, journal: Journal) -> Self {
        Self {
            http,
            url: url.to_owned(),
            journal,
            counters: Arc::default(),
            number,
            retry_profile: RetryProfile::of(number),
            jitter: StdRng::seed_from_u64(!seed),
            stop: CancellationToken::new(),
            user: String::new(),
            token: None,
        }
    }

    /// Sends a request up to `attempts` times. Returns `None` if there is no final response, so that the outcome is
    /// unknown, or the client is stopped.
    pub(super) async fn send(&mut self, request: &Request, attempts: u32) -> Option<Response> {
        let mut failures = 0;
        loop {
            let response = self.send_once(request).await;
            if response.as_ref().is_some_and(Response::is_final) {
                return response;
            }
            failures += 1;
            if failures >= attempts {
                return None;
            }
            let retry_after = response.and_then(|response| response.retry_after).map(Duration::from_secs);
            let pause = self.retry_profile.pause(failures, retry_after, &mut self.jitter);
            self.pause(pause).await?;
        }
    }

    /// Returns `None` when the client is stopped.
    pub(super) async fn pause(&self, duration: Duration) -> Option<()> {
        self.stop.run_until_cancelled(tokio::time::sleep(duration)).await
    }

    /// Sends a request once and records it. Returns `None` if there is no response, or the client is stopped.
    pub(super) async fn send_once(&self, request: &Request) -> Option<Response> {
        if self.stop.is_cancelled() {
            return None;
        }
        let started = self.journal.elapsed();
        let response = self.exchange(request).await.ok();
        if response.as_ref().is_none_or(|response| response.status >= 500) {
            increment(&self.counters.errors);
        }
        let Request { method, path, idempotency_key, body, guest_token: _ } = request.clone();
        self.journal.record(Exchange {
            client: self.number,
            user: self.user.clone(),
            started,
            ended: self.journal.elapsed(),
            method,
            path,
            idempotency_key,
            request: redact(&body),
            status: response.as_ref().map(|response| response.status),
            retry_after: response.as_ref().and_then(|response| response.retry_after),
            response: response.as_ref().map(|response| redact(&response.json)).unwrap_or_default(),
        });
        response
    }

    async fn exchange(&self, request: &Request) -> reqwest::Result<Response> {
        let mut builder = self.http.request(request.method.clone(), format!("{}{}", self.url, request.path));
        if let Some(token) = &self.token {
            builder = builder.bearer_auth(token);
        }
        if let Some(key) = &request.idempotency_key {
            builder = builder.header("idempotency-key", key);
        }
        if let Some((header, token)) = &request.guest_token {
            builder = builder.header(*header, token);
        }
        if !request.body.is_null() {
            builder = builder.json(&request.body);
        }
        let response = builder.send().await?;
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        // An incomplete body counts as no response.
        let body = response.bytes().await?;
        Ok(Response { status, retry_after, json: serde_json::from_slice(&body).unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16) -> Response {
        Response { status, retry_after: None, json: Value::Null }
    }

    #[test]
    fn server_errors_and_429_are_not_final() {
        for status in [200, 201, 204, 400, 401, 404, 409, 412, 422] {
            assert!(response(status).is_final(), "{status}");
        }
        for status in [429, 500, 502, 503] {
            assert!(!response(status).is_final(), "{status}");
        }
    }

    #[tokio::test]
    async fn gives_up_without_a_response_and_records_every_attempt() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener); // connections are refused now
        let journal = Journal::start();
        let mut client = ApiClient::new(3, 1, connection_pool().unwrap(), &url, journal.clone());
        let request = Request::post("/api/orders", serde_json::json!({"password": "hunter2"}));
        let response = client.send(&request.with_idempotency_key(Some("key".to_owned())), 3).await;
        assert!(response.is_none());
        let exchanges = journal.exchanges();
        assert_eq!(exchanges.len(), 3);
        for exchange in exchanges {
            let key = exchange.idempotency_key.as_deref();
            assert_eq!((exchange.client, exchange.status, key), (3, None, Some("key")));
            assert!(exchange.has_unknown_outcome() && exchange.started <= exchange.ended);
            assert!(!exchange.request.to_string().contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn sends_nothing_once_it_is_stopped() {
        let journal = Journal::start();
        let http = connection_pool().unwrap();
        let mut client = ApiClient::new(0, 1, http, "http://127.0.0.1:1", journal.clone());
        client.stop.cancel();
        assert!(client.send(&Request::get("/api/cart"), 8).await.is_none());
        assert!(journal.exchanges().is_empty());
    }
}
