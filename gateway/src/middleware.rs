//! What requests pass: an id, a deadline, a span, and who asks.

use std::time::Duration;

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bodega_runtime::{
    context::{CallContext, REQUEST_ID},
    status, telemetry, timeouts,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::{
    app::App,
    extract::{Authentication, access_token},
    linger::Lingering,
    problem::Problem,
};

/// A client's own request id may have this many visible characters.
const MAX_REQUEST_ID: usize = 128;

/// Gives a request its id, and measures it.
pub(crate) async fn measure(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = method_label(request.method()).to_owned();
    let route = route(&request);
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());

    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID, id);
    let status = response.status().as_u16().to_string();
    let labels = [("method", method), ("route", route), ("status", status)];
    metrics::histogram!("http_server_duration_seconds", &labels).record(started.elapsed());
    response
}

/// Gives a request its span.
pub(crate) async fn trace(request: Request, next: Next) -> Response {
    let name = format!("{} {}", method_label(request.method()), route(&request));
    let span = telemetry::request_span("http", &name, request.headers());
    next.run(request).instrument(span).await
}

/// Serves a request in a context of its own, in which it has `time` to be answered; services have a little less.
pub(crate) async fn context(State(time): State<Duration>, request: Request, next: Next) -> Response {
    let context = CallContext {
        deadline: Some(Instant::now() + time.saturating_sub(timeouts::RESPONSE_MARGIN)),
        authorization: None,
        request_id: request.headers().get(REQUEST_ID).cloned(),
    };
    let work = async {
        match tokio::time::timeout(time, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::unavailable("the answer took too long").into_response(),
        }
    };
    context.scope(work).await
}

/// Finds out who asks: where its access token is good, a request is served in the name of its caller.
pub(crate) async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let authentication = Authentication::of(&app, request.headers());
    // Where anyone may ask, an identity that hangs must not use up the time.
    let patience = app.settings().patience();
    let authentication = tokio::time::timeout(patience, authentication).await.unwrap_or_else(|_| {
        Authentication::Refused(status::unavailable("a service is unavailable", Duration::from_secs(1)))
    });
    let mut context = CallContext::current();
    if authentication.is_caller() {
        // As the services want it, however it was spelled.
        context = context.with_bearer(access_token(request.headers()).unwrap_or_default());
    }
    request.extensions_mut().insert(authentication);
    context.scope(next.run(request)).await
}

/// Has the body of a request that is answered early read to its end, so that whoever still sends it gets the answer.
pub(crate) async fn linger(request: Request, next: Next) -> Response {
    next.run(Lingering::wrap(request)).await
}

/// The route that a request takes, by its pattern: paths that clients make up must not make new series.
fn route(request: &Request) -> String {
    request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned()
}

/// Clients may make methods up: one that HTTP does not know must not make a new series.
fn method_label(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => method.as_str(),
        _ => "other",
    }
}

/// The client's id where it has a sound one, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sound = |id: &&HeaderValue| {
        (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    let given = headers.get(REQUEST_ID).filter(sound).cloned();
    given
        .or_else(|| Uuid::now_v7().to_string().try_into().ok())
        .unwrap_or(HeaderValue::from_static("unknown"))
}

/// Headers that keep a browser from doing more with an answer than we meant; a handler's own ones stay.
pub(crate) async fn security_headers(request: Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
