//! Middleware for all requests: id, metrics, access log, span, deadline, authentication and security headers.

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
use http::{HeaderMap, HeaderValue, Method, header};
use tokio::time::Instant;
use tower_http::set_header::SetResponseHeaderLayer;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::{
    access_log::{AccessLog, UserId},
    app::App,
    drain::DrainedBody,
    extract::{Authentication, access_token},
    problem::Problem,
};

/// A client's own request id may have this many visible characters.
const MAX_REQUEST_ID: usize = 128;

/// Assigns the request id, and records the request in the metrics and the access log.
pub(crate) async fn record(
    State(access_log): State<AccessLog>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = method_label(request.method()).to_owned();
    let route = route(&request);
    let id = request_id(request.headers());
    let user_id = UserId::default();
    request.headers_mut().insert(REQUEST_ID, id.clone());
    request.extensions_mut().insert(user_id.clone());

    let mut response = next.run(request).await;
    let duration = started.elapsed();
    access_log.record(&method, &route, &response, duration, &id, &user_id);
    response.headers_mut().insert(REQUEST_ID, id);
    let status = response.status().as_u16().to_string();
    let labels = [("method", method), ("route", route), ("status", status)];
    metrics::histogram!("http_server_duration_seconds", &labels).record(duration);
    response
}

/// Runs the request in a span.
pub(crate) async fn trace(request: Request, next: Next) -> Response {
    let name = format!("{} {}", method_label(request.method()), route(&request));
    let span = telemetry::request_span("http", &name, request.headers());
    next.run(request).instrument(span).await
}

/// Runs the request in a context with a deadline, and limits its time. Upstream calls have a little less.
pub(crate) async fn context(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    let context = CallContext {
        deadline: Some(Instant::now() + limit.saturating_sub(timeouts::RESPONSE_MARGIN)),
        authorization: None,
        request_id: request.headers().get(REQUEST_ID).cloned(),
    };
    let work = async {
        match tokio::time::timeout(limit, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::timeout("the request timed out").into_response(),
        }
    };
    context.scope(work).await
}

/// Verifies the access token. With a valid one, upstream calls are made on behalf of its user.
pub(crate) async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let authentication = Authentication::of(&app, request.headers());
    // If identity hangs, a route that guests may use too must have time left to respond.
    let limit = app.settings().optional_step_timeout();
    let authentication = tokio::time::timeout(limit, authentication).await.unwrap_or_else(|_| {
        Authentication::Rejected(status::unavailable("identity is unavailable", Duration::from_secs(1)))
    });
    let mut context = CallContext::current();
    if let Authentication::Caller(caller) = &authentication {
        // Not the header as sent: services accept only the scheme `Bearer`, spelled like this.
        context = context.with_bearer(access_token(request.headers()).unwrap_or_default());
        if let Some(user_id) = request.extensions().get::<UserId>() {
            user_id.set(caller.user_id);
        }
    }
    request.extensions_mut().insert(authentication);
    context.scope(next.run(request)).await
}

/// Reads the rest of the body after an early response, so that a client that is still sending gets the response.
pub(crate) async fn drain_body(request: Request, next: Next) -> Response {
    next.run(DrainedBody::wrap(request)).await
}

/// The route template: clients choose the path, which must not create time series.
fn route(request: &Request) -> String {
    request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned()
}

/// The method, if it is a standard one: clients may invent methods, which must not create time series.
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

/// The client's request id if it is valid, or a new one. tower-http's layer accepts any id.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_valid = |id: &&HeaderValue| {
        (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    let given = headers.get(REQUEST_ID).filter(is_valid).cloned();
    given
        .or_else(|| Uuid::now_v7().to_string().try_into().ok())
        .unwrap_or(HeaderValue::from_static("unknown"))
}

type SetHeader = SetResponseHeaderLayer<HeaderValue>;

/// Security headers, unless the handler has set its own.
pub(crate) fn security_headers() -> (SetHeader, SetHeader, SetHeader, SetHeader, SetHeader) {
    let set = |name, value| SetHeader::if_not_present(name, HeaderValue::from_static(value));
    (
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        set(header::X_FRAME_OPTIONS, "DENY"),
        set(header::REFERRER_POLICY, "no-referrer"),
        set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        set(header::CACHE_CONTROL, "no-store"),
    )
}
