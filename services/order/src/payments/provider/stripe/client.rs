//! HTTP calls to Stripe, with their timeout and retries.

use std::time::Duration;

use anyhow::Context as _;
use bodega_runtime::{backoff::Backoff, telemetry::HttpClientSpan, timeouts::PROVIDER_CALL};
use bytes::{Bytes, BytesMut};
use reqwest::{
    Method, RequestBuilder, Response, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::{
    error::{ApiError, CallError},
    objects,
};

/// The API version of these calls, whatever the account's default is.
const API_VERSION: &str = "2026-10-28.endive";
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: &str = "idempotency-key";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Retries after a conflict with another call, or while calls are rate limited.
const MAX_RETRIES: i32 = 3;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_millis(800));
const MAX_RESPONSE_BYTES: usize = 1 << 20;

pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
}

impl Client {
    /// Creates a client, which connects at its first call.
    ///
    /// # Errors
    /// If the secret key is not a valid header value, or this system has no trusted certificates.
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
            // A redirect must not carry the secret key to another host.
            .redirect(Policy::none())
            .build()
            .context("cannot create the HTTP client for Stripe")?;
        Ok(Self { http, base })
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Option<&str>,
    ) -> Result<T, CallError> {
        let mut url = self.url(path);
        url.set_query(query);
        self.call(|| self.http.get(url.clone())).await
    }

    /// Makes a POST request. With an `idempotency_key`, Stripe executes the call once and then repeats its response.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        parameters: &[(&str, &str)],
        idempotency_key: Option<&str>,
    ) -> Result<T, CallError> {
        let url = self.url(path);
        self.call(|| {
            let request = self.http.post(url.clone()).form(parameters);
            match idempotency_key {
                Some(key) => request.header(IDEMPOTENCY_KEY, key),
                None => request,
            }
        })
        .await
    }

    /// Returns the URL of a path; each segment is escaped.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Always `Ok`, because HTTP URLs have a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        url
    }

    async fn call<T: DeserializeOwned>(&self, request: impl Fn() -> RequestBuilder) -> Result<T, CallError> {
        // The timeout includes the retries.
        let response = timeout(PROVIDER_CALL, send_with_retries(request)).await;
        let response = response.map_err(|_| CallError::NoResponse("response timed out".to_owned()))??;
        objects::parse(&response).map_err(|error| CallError::NoResponse(format!("invalid response: {error}")))
    }
}

/// Sends a request, with a few retries. All calls may be repeated: each one only reads, has an idempotency key, or leads to
/// the same state.
async fn send_with_retries(request: impl Fn() -> RequestBuilder) -> Result<Bytes, CallError> {
    let mut retries = 0;
    let mut has_reconnected = false;
    loop {
        match send(request()).await {
            Ok(response) => return Ok(response),
            Err(SendError::Api(error)) if error.is_transient() && retries < MAX_RETRIES => {
                sleep(BACKOFF.pause(retries)).await;
                retries += 1;
            }
            Err(SendError::Api(error)) => return Err(CallError::Api(error)),
            // The server may have closed the idle connection meanwhile.
            Err(SendError::Http(error)) if !has_reconnected && !error.is_connect() => has_reconnected = true,
            Err(SendError::Http(error)) => return Err(CallError::NoResponse(describe(&error).to_owned())),
            Err(SendError::TooLarge) => {
                return Err(CallError::NoResponse("response is too large".to_owned()));
            }
        }
    }
}

async fn send(request: RequestBuilder) -> Result<Bytes, SendError> {
    let (http, request) = request.build_split();
    let request = request?;
    let method = if request.method() == Method::GET { "GET" } else { "POST" };
    let span = HttpClientSpan::start(method, request.url().as_str());
    let response = http.execute(request).await;
    if let Some(span) = span {
        span.end(response.as_ref().map(Response::status).map_err(|_| "no_response"));
    }
    let response = response?;
    let status = response.status();
    let headers = response.headers().clone();
    let body = read_body(response).await?;
    if status.is_success() {
        return Ok(body);
    }
    Err(SendError::Api(ApiError::parse(status, &headers, &body)))
}

enum SendError {
    Api(ApiError),
    Http(reqwest::Error),
    TooLarge,
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error)
    }
}

async fn read_body(mut response: Response) -> Result<Bytes, SendError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Err(SendError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Describes an error without the URL and the request.
fn describe(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "response timed out"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "connection closed"
    }
}
