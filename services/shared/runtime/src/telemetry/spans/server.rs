//! Spans of the requests that this process serves.

use http::{HeaderMap, Request, StatusCode, Version};
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanKind, TraceContextExt as _},
};
use tonic::Code;
use tracing::{Span, info_span};

use super::{
    super::{
        provider::{Untrusted, tracer},
        trace::{self, Trace},
    },
    ActiveSpan, rpc_attributes, rpc_method,
};
use crate::context::REQUEST_ID;

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

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
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
}
