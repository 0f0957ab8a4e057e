//! Asks a store over REST, and writes down every question and what was told.

use std::{sync::Arc, time::Duration};

use rand::{SeedableRng as _, rngs::StdRng};
use reqwest::{Method, header::RETRY_AFTER};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    counts::{Counts, count},
    secrets,
    temper::Temper,
};
use crate::journal::{Exchange, Journal};

/// The longest that an answer is waited for. The store promises one within 2 s: who waits longer sees that it is late.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that a connection is waited for. All is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A pool of connections for any number of clients.
///
/// # Errors
/// When TLS cannot be set up.
pub(super) fn http() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).connect_timeout(CONNECT_TIMEOUT).build()
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: Method,
    path: String,
    key: Option<String>,
    body: Value,
}

impl Request {
    /// Asks for what is at a path.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, Value::Null)
    }

    /// Posts JSON; null for no body.
    pub(super) fn post(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::POST, path, body)
    }

    /// Puts JSON.
    pub(super) fn put(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::PUT, path, body)
    }

    /// Takes away what is at a path.
    pub(super) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, Value::Null)
    }

    fn new(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self { method, path: path.into(), key: None, body }
    }

    /// The same, with this `Idempotency-Key`.
    pub(super) fn with_key(self, key: Option<String>) -> Self {
        Self { key, ..self }
    }
}

/// What was told.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    retry_after: Option<u64>,
    /// Its body; null where it is no JSON.
    pub(super) json: Value,
}

impl Answer {
    /// Whether it is 2xx.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether asking again would not change it: it is neither 5xx nor 429.
    fn is_definite(&self) -> bool {
        self.status < 500 && self.status != 429
    }

    /// The problem's code; empty where it is no problem.
    pub(super) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }
}

/// Somebody who asks.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    journal: Journal,
    counts: Arc<Counts>,
    number: usize,
    temper: Temper,
    /// Apart from what shoppers decide by: that must not depend on how often they had to wait.
    jitter: StdRng,
    until: CancellationToken,
    /// The id of the account it asks as; empty before it has one.
    pub(super) user: String,
    /// The access token it shows.
    pub(super) token: Option<String>,
}

impl Client {
    /// The shopper of this number, who has neither an account nor an end.
    pub(super) fn new(number: usize, seed: u64, http: reqwest::Client, url: &str, journal: Journal) -> Self {
        Self {
            http,
            url: url.to_owned(),
            journal,
            counts: Arc::default(),
            number,
            temper: Temper::of(number),
            jitter: StdRng::seed_from_u64(!seed),
            until: CancellationToken::new(),
            user: String::new(),
            token: None,
        }
    }

    /// Counts errors there from now on.
    pub(super) fn count_in(&mut self, counts: Arc<Counts>) {
        self.counts = counts;
    }

    /// Asks for nothing more once `until` is cancelled.
    pub(super) fn stop_at(&mut self, until: CancellationToken) {
        self.until = until;
    }

    /// Whether it asks for nothing more.
    pub(super) fn is_to_stop(&self) -> bool {
        self.until.is_cancelled()
    }

    /// How it takes it when there is no answer.
    pub(super) fn temper(&self) -> Temper {
        self.temper
    }

    /// Asks at most `tries` times for a definite answer. `None`: there was none, and it may have been carried out, or
    /// may yet be; or it is time to stop.
    pub(super) async fn insist(&mut self, request: &Request, tries: u32) -> Option<Answer> {
        let mut failures = 0;
        loop {
            let answer = self.send(request).await;
            if answer.as_ref().is_some_and(Answer::is_definite) {
                return answer;
            }
            failures += 1;
            if failures >= tries {
                return None;
            }
            let asked = answer.and_then(|answer| answer.retry_after).map(Duration::from_secs);
            let pause = self.temper.pause(failures, asked, &mut self.jitter);
            self.rest(pause).await?;
        }
    }

    /// Does nothing for a while; `None` when it is time to stop.
    pub(super) async fn rest(&self, pause: Duration) -> Option<()> {
        self.until.run_until_cancelled(tokio::time::sleep(pause)).await
    }

    /// Asks once, and writes it down. `None`: there was no answer, or it is time to stop.
    pub(super) async fn send(&self, request: &Request) -> Option<Answer> {
        if self.is_to_stop() {
            return None;
        }
        let started = self.journal.now();
        let answer = self.exchange(request).await.ok();
        if answer.as_ref().is_none_or(|answer| answer.status >= 500) {
            count(&self.counts.errors);
        }
        let Request { method, path, key, body } = request.clone();
        self.journal.write(Exchange {
            shopper: self.number,
            user: self.user.clone(),
            started,
            ended: self.journal.now(),
            method,
            path,
            key,
            sent: secrets::left_out(&body),
            status: answer.as_ref().map(|answer| answer.status),
            retry_after: answer.as_ref().and_then(|answer| answer.retry_after),
            told: answer.as_ref().map(|answer| secrets::left_out(&answer.json)).unwrap_or_default(),
        });
        answer
    }

    async fn exchange(&self, request: &Request) -> reqwest::Result<Answer> {
        let mut call = self.http.request(request.method.clone(), format!("{}{}", self.url, request.path));
        if let Some(token) = &self.token {
            call = call.bearer_auth(token);
        }
        if let Some(key) = &request.key {
            call = call.header("idempotency-key", key);
        }
        if !request.body.is_null() {
            call = call.json(&request.body);
        }
        let response = call.send().await?;
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|pause| pause.to_str().ok()?.parse().ok());
        // An answer that breaks off is none: nobody could act on it.
        let body = response.bytes().await?;
        Ok(Answer { status, retry_after, json: serde_json::from_slice(&body).unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        Answer { status, retry_after: None, json: Value::Null }
    }

    #[test]
    fn what_may_be_another_answer_next_time_is_asked_again() {
        for status in [200, 201, 204, 400, 401, 404, 409, 412, 422] {
            assert!(answer(status).is_definite(), "{status}");
        }
        for status in [429, 500, 502, 503] {
            assert!(!answer(status).is_definite(), "{status}");
        }
    }

    #[tokio::test]
    async fn who_gets_no_answer_gives_up_in_the_end_and_has_written_every_attempt_down() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener); // nobody is there now
        let journal = Journal::begin();
        let mut client = Client::new(3, 1, http().unwrap(), &url, journal.clone());
        let request = Request::post("/api/orders", serde_json::json!({"password": "hunter2"}));
        let answer = client.insist(&request.with_key(Some("key".to_owned())), 3).await;
        assert!(answer.is_none());
        let exchanges = journal.exchanges();
        assert_eq!(exchanges.len(), 3);
        for exchange in exchanges {
            assert_eq!((exchange.shopper, exchange.status, exchange.key.as_deref()), (3, None, Some("key")));
            assert!(exchange.is_open() && exchange.started <= exchange.ended);
            assert!(!exchange.sent.to_string().contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn nothing_is_asked_once_it_is_time_to_stop() {
        let journal = Journal::begin();
        let mut client = Client::new(0, 1, http().unwrap(), "http://127.0.0.1:1", journal.clone());
        let until = CancellationToken::new();
        client.stop_at(until.clone());
        until.cancel();
        assert!(client.insist(&Request::get("/api/cart"), 8).await.is_none());
        assert!(journal.exchanges().is_empty());
    }
}
