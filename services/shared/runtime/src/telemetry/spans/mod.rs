//! Spans of requests, calls to other services, and background work. Names and attributes follow OpenTelemetry's semantic
//! conventions.
//!
//! Spans contain nothing about users: no query strings, header fields, bodies or request ids, which clients choose.

mod client;
mod server;

use std::borrow::Cow;

use futures_util::FutureExt as _;
use opentelemetry::{
    Context, KeyValue, Value,
    trace::{Link, SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use tonic::Code;
use tracing::{Instrument as _, Span, info_span};

pub use self::{
    client::HttpClientSpan,
    server::{RequestSpan, http_span},
};
pub(crate) use self::{
    client::{ClientSpan, RetriedSpan, ServerAddress},
    server::rpc_span,
};
use super::{
    provider::tracer,
    trace::{self, Trace},
};
use crate::context::CallContext;

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
    fn a_method_that_is_not_in_the_contract_has_no_name() {
        assert_eq!(
            rpc_method("/bodega.order.v1.OrderService/PlaceOrder"),
            "bodega.order.v1.OrderService/PlaceOrder"
        );
        assert_eq!(rpc_method("/ada@shop.example/x"), "_OTHER");
    }
}
