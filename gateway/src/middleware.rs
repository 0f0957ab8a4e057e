//! Middleware of all requests: id, metrics, access log and security headers; and of a group of routes: body, concurrency
//! limit, deadline, span and authentication. Each is one function, since every layer of the router costs allocations.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bodega_runtime::{
    client_address::ClientNetwork,
    context::{CallContext, REQUEST_ID},
    fair_semaphore::Client,
    metrics, status, telemetry, timeouts,
};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use http_body::Body as _;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::{
    access_log::{AccessLog, UserId},
    app::App,
    body::BodyReader,
    client_address::ClientAddress,
    completed::Completed,
    connections::Connections,
    drain::DrainedBody,
    extract::Authentication,
    head,
    load_shed::{ConcurrencyLimits, Permit},
    problem::Problem,
};

/// A client's own request id may have this many visible characters.
const MAX_REQUEST_ID: usize = 128;

/// An upload that takes longer ends when another client waits.
const SLOW_UPLOAD: Duration = Duration::from_secs(1);

/// Security headers, unless the handler has set its own.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Assigns the request id, records the request in the metrics and the access log, and adds security headers.
pub(crate) async fn record(
    State(access_log): State<AccessLog>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let in_flight = metrics::http_in_flight();
    let method = method_label(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();
    let id = request_id(request.headers());
    let user_id = UserId::default();
    request.headers_mut().insert(REQUEST_ID, id.clone());
    request.extensions_mut().insert(user_id.clone());

    let mut response = next.run(request).await;
    drop(in_flight);
    let duration = started.elapsed();
    let route = route(path.as_ref());
    access_log.record(method, route, &response, duration, &id, &user_id);
    metrics::http(method, route, response.status(), duration);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}

/// The settings of a group of routes.
pub(crate) struct Group {
    /// Time limit of a request from when its body has been read. Upstream calls have a little less.
    pub(crate) timeout: Duration,
    pub(crate) body: RequestBody,
    pub(crate) limits: Option<ConcurrencyLimits>,
    /// The state for verifying access tokens; `None` for routes without.
    pub(crate) users: Option<App>,
}

/// How the body of a request is received.
pub(crate) enum RequestBody {
    /// Read before the request gets a permit.
    Read(BodyReader),
    /// Read by the handler, up to this number of bytes. A slow one ends when another client needs its permit.
    Streamed { limit: usize, uploads: Connections },
}

/// Processes a request of a group within its limits, in a span, and in a context with a deadline.
pub(crate) async fn process(State(group): State<Arc<Group>>, request: Request, next: Next) -> Response {
    let span = {
        let (path, method) = (request.extensions().get::<MatchedPath>(), method_label(request.method()));
        let method = if method == "other" { "_OTHER" } else { method };
        telemetry::http_span(&request, method, path.map(MatchedPath::as_str), !is_health_check(path))
    };
    let context = CallContext {
        deadline: None,
        authorization: None,
        request_id: request.headers().get(REQUEST_ID).cloned(),
        client_address: request.extensions().get().map(|&ClientAddress(address)| address),
        trace: Some(span.trace.clone()),
    };
    let log = span.log.clone();
    let response = match admit(&group, request, &context).await {
        Ok(admitted) => admitted.respond(group, context, log, next).await,
        Err(problem) => context.scope(async { problem.into_response() }).await,
    };
    span.end_http(response.status());
    response
}

/// A request that may be processed.
struct Admitted {
    request: Request,
    permit: Option<Permit>,
    /// When its body had been read.
    started: Instant,
}

/// Reads the body of a request and waits for a permit.
async fn admit(group: &Group, request: Request, context: &CallContext) -> Result<Admitted, Problem> {
    // The rest of the body is read after an early response, so that a client that is still sending gets the response.
    let mut request = DrainedBody::wrap(request);
    head::check(&request)?;
    let network = context.client_address.map(ClientNetwork::from);
    match &group.body {
        _ if request.body().is_end_stream() => {}
        RequestBody::Read(reader) => request = reader.read(request, network).await?,
        RequestBody::Streamed { limit, .. } => DefaultBodyLimit::max(*limit).apply(&mut request),
    }
    let started = Instant::now();
    let Some(limits) = &group.limits else { return Ok(Admitted { request, permit: None, started }) };
    if let permit @ Some(_) = limits.try_acquire(&request) {
        return Ok(Admitted { request, permit, started });
    }
    let account = group.users.as_ref().and_then(|app| Authentication::known(app, request.headers()));
    let client = Client { network, account };
    if let (RequestBody::Streamed { uploads, .. }, Some(address)) = (&group.body, context.client_address) {
        uploads.make_room_for(address, SLOW_UPLOAD);
    }
    match limits.wait(&request, client, deadline(group, started)).await {
        permit @ Some(_) => Ok(Admitted { request, permit, started }),
        None => Err(Problem::overloaded()),
    }
}

fn deadline(group: &Group, started: Instant) -> Instant {
    started + group.timeout.saturating_sub(timeouts::RESPONSE_MARGIN)
}

impl Admitted {
    /// Processes the request. It is completed although its client disconnects, so that it keeps its permit while services
    /// work for it; an upload ends, since its body does.
    async fn respond(self, group: Arc<Group>, context: CallContext, log: Span, next: Next) -> Response {
        let Self { request, permit, started } = self;
        let has_permit = permit.is_some();
        let upload = match (&group.body, context.client_address) {
            (RequestBody::Streamed { uploads, .. }, Some(address)) => uploads.open(address, false),
            _ => None,
        };
        let context = CallContext { deadline: Some(deadline(&group, started)), ..context };
        let work = async move {
            let response = AssertUnwindSafe(respond(group.users.as_ref(), request, next)).catch_unwind();
            let response = match timeout_at(started + group.timeout, response).await {
                Ok(Ok(response)) => response,
                Ok(Err(_)) => {
                    tracing::error!("a handler panicked");
                    Problem::internal().into_response()
                }
                Err(_) => Problem::timeout("the request timed out").into_response(),
            };
            drop(permit);
            response
        };
        let displaced = context.clone().scope(async { Problem::overloaded().into_response() });
        let work = context.scope(work.instrument(log));
        match upload {
            Some(upload) => tokio::select! {
                response = work => response,
                () = upload.activity().displaced() => displaced.await,
            },
            None if has_permit => Completed::new(work).await,
            None => work.await,
        }
    }
}

fn is_health_check(path: Option<&MatchedPath>) -> bool {
    matches!(path.map(MatchedPath::as_str), Some("/healthz" | "/readyz" | "/status"))
}

/// Verifies the access token of a route for users, and runs the handler. With a valid token, upstream calls are made on behalf
/// of its user.
async fn respond(users: Option<&App>, mut request: Request, next: Next) -> Response {
    let Some(app) = users else { return next.run(request).await };
    let authentication = Authentication::of(app, request.headers());
    // If identity hangs, a route that guests may use too must have time left to respond.
    let limit = app.settings().optional_step_timeout();
    let (authentication, token) = tokio::time::timeout(limit, authentication).await.unwrap_or_else(|_| {
        let status = status::unavailable("identity is unavailable", Duration::from_secs(1));
        (Authentication::Rejected(status), None)
    });
    let Authentication::Caller(caller) = &authentication else {
        request.extensions_mut().insert(authentication);
        return next.run(request).await;
    };
    if let Some(user_id) = request.extensions().get::<UserId>() {
        user_id.set(caller.user_id);
    }
    // Not the header as sent: services accept only the scheme `Bearer`, spelled like this.
    let context = CallContext::current().with_bearer(&token.unwrap_or_default());
    request.extensions_mut().insert(authentication);
    context.scope(next.run(request)).await
}

/// The route template: clients choose the path, which must not create time series.
fn route(path: Option<&MatchedPath>) -> &str {
    path.map_or("unknown", MatchedPath::as_str)
}

/// The method, if it is a standard one: clients may invent methods, which must not create time series.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The client's request id if it is valid, or a new one. tower-http's layer accepts any id.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_valid = |id: &&HeaderValue| {
        (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    let given = headers.get(REQUEST_ID).filter(is_valid).cloned();
    given.unwrap_or_else(|| {
        let mut buffer = Uuid::encode_buffer();
        let id = Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
        HeaderValue::from_str(id).unwrap_or(HeaderValue::from_static("unknown"))
    })
}
