//! Spans of requests, calls to other services, and background work. Names and attributes follow OpenTelemetry's semantic
//! conventions.
//!
//! Spans contain nothing about users: no query strings, header fields, bodies or request ids, which clients choose.

use std::borrow::Cow;

use futures_util::FutureExt as _;
use http::{HeaderMap, Request, StatusCode, Uri, Version};
use opentelemetry::{
    Context, KeyValue, Value,
    trace::{Link, SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use tonic::Code;
use tracing::{Instrument as _, Span, info_span};

use super::{
    provider::{Untrusted, tracer},
    trace::{self, Trace},
};
use crate::context::{CallContext, REQUEST_ID};

/// A span that is exported, or nothing. It ends when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct ActiveSpan {
    span: Option<Context>,
    /// Of a call without a response: whether it is an error if there will be none.
    open_call: Option<bool>,
}

impl ActiveSpan {
    fn start(
        kind: SpanKind,
        name: impl Into<Cow<'static, str>>,
        parent: &Context,
        attributes: Vec<KeyValue>,
        links: Vec<Link>,
    ) -> Option<(Self, Trace)> {
        let tracer = tracer()?;
        let span = tracer
            .span_builder(name)
            .with_kind(kind)
            .with_attributes(attributes)
            .with_links(links)
            .start_with_context(tracer, parent);
        let span = Context::new().with_span(span);
        // Spans that are started after the shutdown are invalid.
        span.span().span_context().is_valid().then(|| {
            let trace = Trace::at(span);
            (Self { span: trace.span().cloned(), open_call: None }, trace)
        })
    }

    fn set(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &self.span {
            span.span().set_attribute(KeyValue::new(key, value));
        }
    }

    fn fail(&self, error_type: impl Into<Value>) {
        self.set("error.type", error_type);
        if let Some(span) = &self.span {
            span.span().set_status(Status::error(""));
        }
    }

    fn set_code(&mut self, code: Code, is_error: bool) {
        self.open_call = None;
        if self.span.is_some() {
            self.set("rpc.response.status_code", code_name(code));
            if is_error {
                self.fail(code_name(code));
            }
        }
    }
}

impl Drop for ActiveSpan {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.fail("panic");
        } else if let Some(is_error) = self.open_call {
            self.set_code(Code::Cancelled, is_error);
        }
        if let Some(span) = &self.span {
            span.span().end();
        }
    }
}

/// The span of a request that this process serves.
#[derive(Debug)]
pub struct RequestSpan {
    /// The span of the request's log lines.
    pub log: Span,
    /// The position of the request in its trace.
    pub trace: Trace,
    active: ActiveSpan,
}

impl RequestSpan {
    /// `name` is called only if the span is logged. `export` returns the name and the attributes of an exported span.
    fn start<R: AsRef<str>>(
        protocol: &'static str,
        headers: &HeaderMap,
        name: impl FnOnce() -> R,
        export: Option<impl FnOnce() -> (Exported, Vec<KeyValue>)>,
    ) -> Self {
        let started = export.filter(|_| tracer().is_some()).and_then(|export| {
            let (Exported { name, is_untrusted }, attributes) = export();
            let mut parent = Context::new();
            if let Some(remote) = trace::parent(headers) {
                parent = parent.with_remote_span_context(remote);
                if is_untrusted {
                    parent = parent.with_value(Untrusted);
                }
            }
            ActiveSpan::start(SpanKind::Server, name, &parent, attributes, Vec::new())
        });
        let (active, trace) = started.unwrap_or_else(|| (ActiveSpan::default(), Trace::of(headers)));
        let log = info_span!(
            "request",
            name = name().as_ref(),
            protocol,
            request.id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default(),
            trace.id = display(trace.context().trace_id()),
        );
        Self { log, trace, active }
    }

    /// Records the response to an HTTP request, and ends the span.
    pub fn end_http(self, status: StatusCode) {
        if self.active.span.is_some() {
            self.active.set("http.response.status_code", i64::from(status.as_u16()));
            if status.is_server_error() {
                self.active.fail(status.as_str().to_owned());
            }
        }
    }

    /// Records the response to a call, and ends the span.
    pub(crate) fn end_rpc(mut self, code: Code) {
        // By the conventions, these are errors of the server; the others are the caller's.
        let is_error = matches!(
            code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        );
        self.active.set_code(code, is_error);
    }
}

/// The name of an exported span, and whether its parent was named by a client.
struct Exported {
    name: String,
    is_untrusted: bool,
}

/// Starts the span of an HTTP request to a route of the gateway, `method` being a known one or `_OTHER`. Clients choose the
/// headers: the trace is continued, but whether it is exported is decided here, unless they ask for it not to be.
pub fn http_span<B>(
    request: &Request<B>,
    method: &'static str,
    route: Option<&str>,
    is_exported: bool,
) -> RequestSpan {
    let name = || {
        let method = if method == "_OTHER" { "HTTP" } else { method };
        route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"))
    };
    let export = || {
        let mut attributes =
            vec![KeyValue::new("http.request.method", method), KeyValue::new("url.scheme", "http")];
        // An unknown path may contain anything.
        if let Some(route) = route {
            attributes.push(KeyValue::new("http.route", route.to_owned()));
            attributes.push(KeyValue::new("url.path", request.uri().path().to_owned()));
        }
        if let Some(version) = version(request.version()) {
            attributes.push(KeyValue::new("network.protocol.version", version));
        }
        (Exported { name: name(), is_untrusted: true }, attributes)
    };
    RequestSpan::start("http", request.headers(), name, is_exported.then_some(export))
}

/// Starts the span of a call to the method `path` of a service. Health checks and reflection are not exported.
pub(crate) fn rpc_span(path: &str, headers: &HeaderMap) -> RequestSpan {
    let export = || {
        let method = rpc_method(path);
        (Exported { name: method.to_owned(), is_untrusted: false }, rpc_attributes(method))
    };
    let mut span =
        RequestSpan::start("grpc", headers, || path, (!path.starts_with("/grpc.")).then_some(export));
    // The caller has cancelled it.
    span.active.open_call = Some(false);
    span
}

/// The address of another process.
#[derive(Clone, Debug)]
pub(crate) struct ServerAddress {
    host: String,
    port: u16,
}

impl From<&Uri> for ServerAddress {
    fn from(uri: &Uri) -> Self {
        let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let host = uri.host().unwrap_or_default().to_owned();
        Self { host, port: uri.port_u16().unwrap_or(default_port) }
    }
}

/// The span of a call to another service, with its retries as events.
#[derive(Clone, Debug)]
pub(crate) struct RetriedSpan(Context);

impl RetriedSpan {
    /// Records that the call is made again, and why.
    pub(crate) fn retry(&self, error_type: &'static str) {
        self.0.span().add_event("retry", vec![KeyValue::new("error.type", error_type)]);
    }
}

/// The span of a call to another service.
#[derive(Debug)]
pub(crate) struct ClientSpan {
    pub(crate) trace: Trace,
    active: ActiveSpan,
}

impl ClientSpan {
    /// Starts the span of a call to the method `path`, if the span of its caller is exported.
    pub(crate) fn start(caller: Option<&Trace>, path: &str, server: &ServerAddress) -> Option<Self> {
        let parent = caller?.span()?;
        let method = rpc_method(path);
        let mut attributes = rpc_attributes(method);
        attributes.push(KeyValue::new("server.address", server.host.clone()));
        attributes.push(KeyValue::new("server.port", i64::from(server.port)));
        let started = ActiveSpan::start(SpanKind::Client, method.to_owned(), parent, attributes, Vec::new());
        started.map(|(mut active, trace)| {
            active.open_call = Some(true);
            Self { trace, active }
        })
    }

    pub(crate) fn retried(&self) -> Option<RetriedSpan> {
        self.active.span.clone().map(RetriedSpan)
    }

    /// Records the response, and ends the span.
    pub(crate) fn end(mut self, code: Code) {
        self.active.set_code(code, code != Code::Ok);
    }
}

/// The span of an HTTP request to another system.
#[derive(Debug)]
pub struct HttpClientSpan(ActiveSpan);

impl HttpClientSpan {
    /// Starts the span of a request to `url`, if the call being served is exported. Its query is not recorded.
    pub fn start(method: &'static str, url: &str) -> Option<Self> {
        let parent = CallContext::with_trace(|trace| trace.span().cloned()).flatten()?;
        let url: Uri = url.parse().ok()?;
        let ServerAddress { host, port } = ServerAddress::from(&url);
        let scheme = url.scheme_str().unwrap_or("http");
        let attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.full", format!("{scheme}://{host}:{port}{}", url.path())),
            KeyValue::new("server.address", host),
            KeyValue::new("server.port", i64::from(port)),
        ];
        let started = ActiveSpan::start(SpanKind::Client, method, &parent, attributes, Vec::new());
        started.map(|(active, _)| Self(active))
    }

    /// Records the status of the response, or a short name of the error, and ends the span.
    pub fn end(self, outcome: Result<StatusCode, &'static str>) {
        let Self(active) = self;
        match outcome {
            Ok(status) => {
                active.set("http.response.status_code", i64::from(status.as_u16()));
                if status.is_client_error() || status.is_server_error() {
                    active.fail(status.as_str().to_owned());
                }
            }
            Err(error_type) => active.fail(error_type),
        }
    }
}

/// Processes stored work in a span that is linked to the call that has stored it, by its [`traceparent`](super::traceparent).
/// Outside of any call the span is the first one of a trace of its own.
///
/// # Errors
/// Those of `work`.
pub fn process_stored<T, E>(
    name: &'static str,
    traceparent: Option<&str>,
    work: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>> {
    let mut context = CallContext::current();
    let caller = context.trace.as_ref().and_then(Trace::span);
    let is_exported = tracer().is_some() && (context.trace.is_none() || caller.is_some());
    let started = is_exported.then(|| {
        let parent = caller.cloned().unwrap_or_else(Context::new);
        let link = traceparent.and_then(trace::parse).map(Link::with_context);
        ActiveSpan::start(SpanKind::Consumer, name, &parent, Vec::new(), link.into_iter().collect())
    });
    let (mut active, mut log) = (ActiveSpan::default(), Span::none());
    if let Some((span, trace)) = started.flatten() {
        log = info_span!("work", name, trace.id = display(trace.context().trace_id()));
        (active, context.trace) = (span, Some(trace));
    }
    context.scope(work).instrument(log).inspect(move |result| {
        if result.is_err() {
            active.fail("_OTHER");
        }
    })
}

fn rpc_attributes(method: &str) -> Vec<KeyValue> {
    vec![KeyValue::new("rpc.system.name", "grpc"), KeyValue::new("rpc.method", method.to_owned())]
}

/// Returns `bodega.order.v1.OrderService/PlaceOrder` for its path, and `_OTHER` for an unknown one: clients choose it.
fn rpc_method(path: &str) -> &str {
    if bodega_proto::method(path).is_some() { path.trim_start_matches('/') } else { "_OTHER" }
}

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

/// The name of a code in the gRPC specification.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disabled_span_does_not_format_its_name() {
        let disabled = tracing::subscriber::NoSubscriber::default();
        tracing::subscriber::with_default(disabled, || {
            let name = || -> &str { panic!("formatted") };
            let export = || panic!("formatted");
            let span = RequestSpan::start("http", &HeaderMap::new(), name, Some(export));
            assert!(span.log.is_disabled());
        });
    }

    #[test]
    fn a_method_that_is_not_in_the_contract_has_no_name() {
        assert_eq!(
            rpc_method("/bodega.order.v1.OrderService/PlaceOrder"),
            "bodega.order.v1.OrderService/PlaceOrder"
        );
        assert_eq!(rpc_method("/ada@shop.example/x"), "_OTHER");
    }
}
