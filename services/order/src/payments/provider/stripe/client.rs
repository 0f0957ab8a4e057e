//! Calls over HTTP: who asks, how long for, and what is asked again.

use std::time::Duration;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use reqwest::{
    RequestBuilder, Response, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::{
    failure::{ApiError, CallError},
    objects,
};
use crate::bounds;

/// The version of the API that these calls are written for, whatever the account's own is.
const API_VERSION: &str = "2026-10-28.endive";
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: &str = "idempotency-key";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long to wait while somebody else is at the same object or key, each time; less up to half of it.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(400), Duration::from_millis(800)];
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// Speaks to Stripe, or to what answers in its place.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
}

impl Client {
    /// A client that asks with the secret key. Connects when it is first used.
    ///
    /// # Errors
    /// When the key cannot be sent, or this system has no certificates to trust.
    pub(super) fn new(base: Url, secret_key: &str) -> anyhow::Result<Self> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {secret_key}"))
            .context("STRIPE_SECRET_KEY has characters that no key has")?;
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, authorization),
            (STRIPE_VERSION, HeaderValue::from_static(API_VERSION)),
        ]);
        let http = reqwest::Client::builder()
            .user_agent(concat!("bodega/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            // The key is for nobody else.
            .redirect(Policy::none())
            .build()
            .context("cannot prepare for calls to Stripe")?;
        Ok(Self { http, base })
    }

    /// Reads an object.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Option<&str>,
    ) -> Result<T, CallError> {
        let mut url = self.url(path);
        url.set_query(query);
        self.call(|| self.http.get(url.clone())).await
    }

    /// Makes or changes an object. Where there is a `key`, the same call with the same key happens once, and has the
    /// same answer.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        parameters: &[(&str, &str)],
        key: Option<&str>,
    ) -> Result<T, CallError> {
        let url = self.url(path);
        self.call(|| {
            let request = self.http.post(url.clone()).form(parameters);
            match key {
                Some(key) => request.header(IDEMPOTENCY_KEY, key),
                None => request,
            }
        })
        .await
    }

    /// The URL of a path, each part of it as it is.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // URLs of HTTP have a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        url
    }

    async fn call<T: DeserializeOwned>(&self, request: impl Fn() -> RequestBuilder) -> Result<T, CallError> {
        // As a whole, with all that is asked again.
        let answer = timeout(bounds::PROVIDER, insist(request)).await;
        let answer = answer.map_err(|_| CallError::Lost("there is no answer yet".to_owned()))??;
        objects::read(&answer).map_err(|cause| CallError::Lost(format!("its answer {cause}")))
    }
}

/// Sends a request, a few times where that may help soon. All our calls may be repeated: they read, have a key, or end
/// up in the same state.
async fn insist(request: impl Fn() -> RequestBuilder) -> Result<Bytes, CallError> {
    let mut pauses = PAUSES.into_iter();
    let mut was_lost = false;
    loop {
        match send(request()).await {
            Ok(answer) => return Ok(answer),
            Err(Unanswered::Error(error)) if error.is_passing() => match pauses.next() {
                Some(pause) => sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await,
                None => return Err(CallError::Stripe(error)),
            },
            Err(Unanswered::Error(error)) => return Err(CallError::Stripe(error)),
            // A connection that was kept open may have been closed at the other end meanwhile.
            Err(Unanswered::Lost(cause)) if !was_lost && !cause.is_connect() => was_lost = true,
            Err(Unanswered::Lost(cause)) => return Err(CallError::Lost(in_words(&cause).to_owned())),
            Err(Unanswered::TooLong) => return Err(CallError::Lost("its answer is too long".to_owned())),
        }
    }
}

async fn send(request: RequestBuilder) -> Result<Bytes, Unanswered> {
    let response = request.send().await?;
    let status = response.status();
    let headers = response.headers().clone();
    let body = read(response).await?;
    if status.is_success() {
        return Ok(body);
    }
    Err(Unanswered::Error(ApiError::read(status, &headers, &body)))
}

/// Why there is no good answer.
enum Unanswered {
    Error(ApiError),
    Lost(reqwest::Error),
    TooLong,
}

impl From<reqwest::Error> for Unanswered {
    fn from(cause: reqwest::Error) -> Self {
        Self::Lost(cause)
    }
}

async fn read(mut response: Response) -> Result<Bytes, Unanswered> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(Unanswered::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What has happened, without the URL and what was sent.
fn in_words(cause: &reqwest::Error) -> &'static str {
    if cause.is_timeout() {
        "there is no answer yet"
    } else if cause.is_connect() {
        "there is no connection"
    } else {
        "the connection broke off"
    }
}
