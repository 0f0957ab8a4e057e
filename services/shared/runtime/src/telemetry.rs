//! Logging and tracing.
//!
//! Every request has a span. Its trace id comes from the request's W3C `traceparent` header, or is new, and is passed on in
//! every call. Spans are exported over OTLP if a collector is configured.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    config::{LogFormat, TelemetryArgs},
    context::REQUEST_ID,
};

/// Keeps telemetry running. Exports the remaining spans when it is dropped.
pub struct Telemetry(SdkTracerProvider);

/// Starts logging and tracing for the process `name`. Must be called only once.
///
/// # Errors
/// When the filter or the collector's address is invalid.
pub fn init(name: &'static str, args: &TelemetryArgs) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(&args.log)
        .context("BODEGA_LOG is not a valid filter: use a level such as `info`")?;
    let mut provider =
        SdkTracerProvider::builder().with_resource(Resource::builder().with_service_name(name).build());
    if let Some(endpoint) = &args.otlp_endpoint {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint.to_string())
            .build()
            .context("OTEL_EXPORTER_OTLP_ENDPOINT is invalid: use a URL such as http://localhost:4317")?;
        provider = provider.with_batch_exporter(exporter);
    }
    let provider = provider.build();

    let is_terminal = std::io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal);
    let layer = match args.log_format {
        LogFormat::Text => layer.with_target(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer(name)))
        .try_init()
        .context("cannot start logging")?;
    Ok(Telemetry(provider))
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // An error means that some spans are lost, which is too late to report.
        let _ = self.0.shutdown();
    }
}

/// Creates the span of a request over `protocol` to `route`, within the trace of its headers.
pub fn request_span(protocol: &'static str, route: &str, headers: &HeaderMap) -> Span {
    let id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let span = info_span!(
        "request",
        otel.name = route,
        otel.kind = "server",
        protocol,
        request.id = id,
        trace.id = tracing::field::Empty
    );
    // Fails only if tracing is off.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&Headers(headers)));
    let trace = span.context().span().span_context().trace_id();
    span.record("trace.id", tracing::field::display(trace));
    span
}

/// Writes the current trace into the headers of a call.
pub(crate) fn inject(headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut HeadersMut(headers));
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

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
