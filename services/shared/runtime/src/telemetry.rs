//! Logs and traces.
//!
//! Every request has a span; its trace id comes from the W3C `traceparent` it arrived with, or is new, and goes with
//! every call to a neighbour. Spans are exported over OTLP where a collector is configured.

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

/// Keeps telemetry going; what is not yet exported is sent when it is dropped.
pub struct Telemetry(SdkTracerProvider);

/// Starts to log and trace, as the process `name`. Once a process.
///
/// # Errors
/// When the filter or the collector's address cannot be used.
pub fn init(name: &'static str, args: &TelemetryArgs) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(&args.log).context("BODEGA_LOG is no filter: try `info`")?;
    let mut provider =
        SdkTracerProvider::builder().with_resource(Resource::builder().with_service_name(name).build());
    if let Some(endpoint) = &args.otlp_endpoint {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint.to_string())
            .build()
            .context("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used: try http://localhost:4317")?;
        provider = provider.with_batch_exporter(exporter);
    }
    let provider = provider.build();

    let for_eyes = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(for_eyes);
    let lines = match args.log_format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer(name)))
        .try_init()
        .context("cannot log")?;
    Ok(Telemetry(provider))
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // At worst some spans are lost, and nobody is left to tell.
        let _ = self.0.shutdown();
    }
}

/// The span of a request over `protocol` to `route`, continuing the trace that its headers name.
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
    // Refused only where tracing is off: then there is nothing to continue.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&Headers(headers)));
    let trace = span.context().span().span_context().trace_id();
    span.record("trace.id", tracing::field::display(trace));
    span
}

/// Names the current trace in the headers of a call to a neighbour.
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
