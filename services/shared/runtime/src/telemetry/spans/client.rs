//! Spans of calls and requests to other processes.

use http::{StatusCode, Uri};
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanKind, TraceContextExt as _},
};
use tonic::Code;

use super::{super::trace::Trace, ActiveSpan, rpc_attributes, rpc_method};
use crate::context::CallContext;

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
