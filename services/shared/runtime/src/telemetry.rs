//! Logging and tracing.
//!
//! Every request has a span and a trace. The trace id comes from the request's W3C `traceparent` header, or is new, and is
//! passed on in every call. Spans are exported over OTLP if a collector is configured; only then they are recorded by
//! OpenTelemetry.

use std::{
    io::IsTerminal as _,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{SpanContext, TraceContextExt as _, TraceFlags, TracerProvider as _},
};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{IdGenerator as _, RandomIdGenerator, SdkTracerProvider},
};
use tracing::{Span, field::display, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    config::{LogFormat, TelemetryArgs},
    context::REQUEST_ID,
};

/// Whether a collector is configured.
static EXPORTS_SPANS: AtomicBool = AtomicBool::new(false);

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Keeps telemetry running. Exports the remaining spans when it is dropped.
pub struct Telemetry(Option<SdkTracerProvider>);

/// Starts logging and tracing for the process `name`. Must be called only once.
///
/// # Errors
/// When the filter or the collector's address is invalid.
pub fn init(name: &'static str, args: &TelemetryArgs) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(&args.log)
        .context("BODEGA_LOG is not a valid filter: use a level such as `info`")?;
    let provider =
        args.otlp_endpoint.as_ref().map(|endpoint| exporting_provider(name, endpoint)).transpose()?;
    let exporting =
        provider.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(name)));

    let is_terminal = std::io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal);
    let layer = match args.log_format {
        LogFormat::Text => layer.with_target(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .with(exporting)
        .try_init()
        .context("cannot start logging")?;
    EXPORTS_SPANS.store(provider.is_some(), Ordering::Relaxed);
    Ok(Telemetry(provider))
}

/// Creates a provider that exports spans to the collector at `endpoint`.
fn exporting_provider(name: &'static str, endpoint: &Uri) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.to_string())
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT is invalid: use a URL such as http://localhost:4317")?;
    let resource = Resource::builder().with_service_name(name).build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // An error means that some spans are lost, which is too late to report.
        let _ = self.0.as_ref().map(SdkTracerProvider::shutdown);
    }
}

/// The position of a request in a distributed trace.
#[derive(Clone, Debug)]
pub struct Trace(SpanContext);

impl Trace {
    /// Continues the trace of these headers, or starts one.
    fn of(headers: &HeaderMap) -> Self {
        let ids = RandomIdGenerator::default();
        let parent = headers.contains_key(TRACEPARENT).then(|| parent(headers).span().span_context().clone());
        Self(match parent.filter(SpanContext::is_valid) {
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

    /// Writes the trace into the headers of a call.
    pub(crate) fn inject(&self, headers: &mut HeaderMap) {
        let Self(context) = self;
        let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags());
        if let Ok(value) = HeaderValue::try_from(format!("00-{trace}-{span}-{flags:02x}")) {
            headers.insert(TRACEPARENT, value);
        }
        let state = context.trace_state().header();
        if !state.is_empty()
            && let Ok(value) = HeaderValue::try_from(state)
        {
            headers.insert(TRACESTATE, value);
        }
    }
}

/// Creates the span of a request over `protocol` to `route`, within the trace of its headers. It is disabled if its level
/// is, and `route` is not called then.
pub fn request_span<R: AsRef<str>>(
    protocol: &'static str,
    route: impl FnOnce() -> R,
    headers: &HeaderMap,
) -> (Span, Trace) {
    let trace = (!EXPORTS_SPANS.load(Ordering::Relaxed)).then(|| Trace::of(headers));
    let span = info_span!(
        "request",
        otel.name = route().as_ref(),
        otel.kind = "server",
        protocol,
        request.id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default(),
        trace.id = trace.as_ref().map(|Trace(context)| display(context.trace_id())),
    );
    let trace = trace.unwrap_or_else(|| {
        // Fails only for a disabled span.
        let _ = span.set_parent(parent(headers));
        let context = span.context().span().span_context().clone();
        if !context.is_valid() {
            return Trace::of(headers);
        }
        span.record("trace.id", display(context.trace_id()));
        Trace(context)
    });
    (span, trace)
}

fn parent(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract(&Headers(headers))
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

    fn injected(trace: &Trace) -> HeaderMap {
        let mut headers = HeaderMap::new();
        trace.inject(&mut headers);
        headers
    }

    #[test]
    fn continues_a_trace_with_its_flags_and_state() {
        let mut headers = HeaderMap::new();
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        headers.insert(TRACEPARENT, HeaderValue::from_static(parent));
        headers.insert(TRACESTATE, HeaderValue::from_static("vendor=1,other=2"));
        let (_, trace) = request_span("http", || "GET /", &headers);
        let child = injected(&trace);
        let value = child[TRACEPARENT].to_str().unwrap();
        assert_eq!((value.len(), &value[..36], &value[52..]), (parent.len(), &parent[..36], "-00"));
        assert_ne!(value, parent, "a span of its own");
        assert_eq!(child[TRACESTATE], "vendor=1,other=2");
        // The next process understands it.
        assert_eq!(Trace::of(&child).0.trace_id(), trace.0.trace_id());
    }

    #[test]
    fn starts_a_trace_without_a_valid_one() {
        let mut headers = HeaderMap::new();
        let (_, one) = request_span("http", || "GET /", &headers);
        headers.insert(TRACEPARENT, HeaderValue::from_static("garbage"));
        let (_, other) = request_span("http", || "GET /", &headers);
        assert_ne!(one.0.trace_id(), other.0.trace_id());
        for trace in [one, other] {
            let headers = injected(&trace);
            assert!(headers[TRACEPARENT].to_str().unwrap().ends_with("-01"), "{headers:?}");
            assert!(!headers.contains_key(TRACESTATE));
            assert_eq!(Trace::of(&headers).0.trace_id(), trace.0.trace_id());
        }
    }

    #[test]
    fn a_disabled_span_does_not_format_its_route() {
        let disabled = tracing::subscriber::NoSubscriber::default();
        tracing::subscriber::with_default(disabled, || {
            let (span, _) = request_span("http", || -> &str { panic!("formatted") }, &HeaderMap::new());
            assert!(span.is_disabled());
        });
    }
}
