//! The position of a request in a distributed trace, and its W3C headers.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{SpanContext, TraceContextExt as _, TraceFlags},
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{IdGenerator as _, RandomIdGenerator},
};

use crate::context::CallContext;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The position of a request in a distributed trace.
#[derive(Clone, Debug)]
pub struct Trace {
    context: SpanContext,
    /// The span of this position, if it is exported.
    span: Option<Context>,
    /// The other callers of a combined statement.
    others: Option<Arc<[SpanContext]>>,
}

impl Trace {
    /// Continues the trace of these headers without a span, or starts one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let ids = RandomIdGenerator::default();
        let parent = headers.contains_key(TRACEPARENT).then(|| parent(headers)).flatten();
        Self::without_span(match parent {
            Some(parent) => SpanContext::new(
                parent.trace_id(),
                ids.new_span_id(),
                parent.trace_flags(),
                false,
                parent.trace_state().clone(),
            ),
            None => SpanContext::new(
                ids.new_trace_id(),
                ids.new_span_id(),
                TraceFlags::SAMPLED,
                false,
                Default::default(),
            ),
        })
    }

    /// The position of a span, which may not be exported.
    pub(super) fn at(span: Context) -> Self {
        let context = span.span().span_context().clone();
        let is_recording = span.span().is_recording();
        Self { context, span: is_recording.then_some(span), others: None }
    }

    fn without_span(context: SpanContext) -> Self {
        Self { context, span: None, others: None }
    }

    /// Returns the trace of work that is done for several callers at once: that of the first one, with the others.
    pub(crate) fn combined<'a>(callers: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let mut sampled = callers.filter(|trace| trace.span.is_some());
        let first = sampled.next()?;
        let others: Arc<[_]> = sampled.map(|trace| trace.context.clone()).collect();
        Some(Self { others: (!others.is_empty()).then_some(others), ..first.clone() })
    }

    /// The id, as in the headers.
    pub(super) fn context(&self) -> &SpanContext {
        &self.context
    }

    /// The span, if it is exported.
    pub(super) fn span(&self) -> Option<&Context> {
        self.span.as_ref()
    }

    pub(super) fn others(&self) -> &[SpanContext] {
        self.others.as_deref().unwrap_or_default()
    }

    /// Writes the trace into the headers of a call.
    pub(crate) fn inject(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(format_traceparent(&self.context)) {
            headers.insert(TRACEPARENT, value);
        }
        let state = self.context.trace_state().header();
        if !state.is_empty()
            && let Ok(value) = HeaderValue::try_from(state)
        {
            headers.insert(TRACESTATE, value);
        }
    }
}

/// Returns the `traceparent` of the call being served if its span is exported. It is stored with work that follows from the
/// call, whose span is linked to it.
pub fn traceparent() -> Option<String> {
    CallContext::with_trace(|trace| trace.span.as_ref().map(|_| format_traceparent(&trace.context))).flatten()
}

/// Links the span of the call or work being processed to a stored `traceparent`.
pub fn link(traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else { return };
    CallContext::with_trace(|trace| {
        if let (Some(span), Some(target)) = (&trace.span, parse(traceparent)) {
            span.span().add_link(target, Vec::new());
        }
    });
}

/// Parses a stored `traceparent`. Returns `None` if it is invalid.
pub(super) fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut headers = HeaderMap::with_capacity(1);
    headers.insert(TRACEPARENT, HeaderValue::try_from(traceparent).ok()?);
    parent(&headers)
}

/// Returns the trace of these headers, if any.
pub(super) fn parent(headers: &HeaderMap) -> Option<SpanContext> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    Some(context.span().span_context().clone()).filter(SpanContext::is_valid)
}

fn format_traceparent(context: &SpanContext) -> String {
    let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags());
    format!("00-{trace}-{span}-{flags:02x}")
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::rpc_span;

    fn injected(trace: &Trace) -> HeaderMap {
        let mut headers = HeaderMap::new();
        trace.inject(&mut headers);
        headers
    }

    fn trace(headers: &HeaderMap) -> Trace {
        rpc_span("/service/Method", headers).trace
    }

    #[test]
    fn continues_a_trace_with_its_flags_and_state() {
        let mut headers = HeaderMap::new();
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        headers.insert(TRACEPARENT, HeaderValue::from_static(parent));
        headers.insert(TRACESTATE, HeaderValue::from_static("vendor=1,other=2"));
        let trace = trace(&headers);
        let child = injected(&trace);
        let value = child[TRACEPARENT].to_str().unwrap();
        assert_eq!((value.len(), &value[..36], &value[52..]), (parent.len(), &parent[..36], "-00"));
        assert_ne!(value, parent, "a span of its own");
        assert_eq!(child[TRACESTATE], "vendor=1,other=2");
        // The next process understands it.
        assert_eq!(Trace::of(&child).context.trace_id(), trace.context.trace_id());
    }

    #[test]
    fn starts_a_trace_without_a_valid_one() {
        let mut headers = HeaderMap::new();
        let one = trace(&headers);
        headers.insert(TRACEPARENT, HeaderValue::from_static("garbage"));
        let other = trace(&headers);
        assert_ne!(one.context.trace_id(), other.context.trace_id());
        for trace in [one, other] {
            let headers = injected(&trace);
            assert!(headers[TRACEPARENT].to_str().unwrap().ends_with("-01"), "{headers:?}");
            assert!(!headers.contains_key(TRACESTATE));
            assert_eq!(Trace::of(&headers).context.trace_id(), trace.context.trace_id());
        }
    }

    #[test]
    fn parses_only_valid_stored_traces() {
        let stored = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(format_traceparent(&parse(stored).unwrap()), stored);
        for invalid in ["", "garbage", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "\n"] {
            assert!(parse(invalid).is_none(), "{invalid:?}");
        }
    }
}
