//! The exporter of spans. The SDK's settings are its standard `OTEL_*` variables.

use std::{env, sync::OnceLock};

use anyhow::Context as _;
use http::Uri;
use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt as _, TraceId, TracerProvider as _},
};
use opentelemetry_otlp::{WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, TelemetryResourceDetector},
    trace::{
        Config, IdGenerator as _, RandomIdGenerator, SamplingDecision, SamplingResult, SdkTracer,
        SdkTracerProvider, ShouldSample,
    },
};
use tonic::transport::ClientTlsConfig;
use uuid::Uuid;

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Returns the tracer if a collector is configured.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// Starts to export the spans of the process `name` to the collector at `endpoint`. Requests never wait for it: spans wait in
/// a bounded queue, and are dropped when it is full.
pub(super) fn start(name: &'static str, endpoint: &Uri) -> anyhow::Result<SdkTracerProvider> {
    let mut exporter =
        opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint.to_string());
    if endpoint.scheme_str() == Some("https") {
        exporter = exporter.with_tls_config(ClientTlsConfig::new().with_native_roots());
    }
    let exporter = exporter
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT is invalid: use a URL such as http://localhost:4317")?;
    let provider = SdkTracerProvider::builder()
        .with_resource(resource(name))
        // The default is the sampler of OTEL_TRACES_SAMPLER.
        .with_sampler(TrustedSampler(Config::default().sampler))
        .with_batch_exporter(exporter)
        .build();
    let _ = TRACER.set(provider.tracer("bodega"));
    Ok(provider)
}

/// Describes this process. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have precedence.
fn resource(name: &'static str) -> Resource {
    let named = env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
    let resource = Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes([
            KeyValue::new("service.name", name),
            KeyValue::new("service.namespace", "bodega"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", Uuid::new_v4().to_string()),
        ])
        .with_detector(Box::new(EnvResourceDetector::new()));
    match named {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}

/// Marks the parent of a span whose id a client has chosen.
pub(super) struct Untrusted;

/// Decides which spans are exported, by the configured sampler, except that
///
/// - the trace id and the flags of a client must not choose what is exported: the sampler decides as for a new trace. A client
///   may ask for its request not to be exported;
/// - work that is linked to an exported call is exported.
#[derive(Clone, Debug)]
struct TrustedSampler(Box<dyn ShouldSample>);

impl ShouldSample for TrustedSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let is_root = parent.is_none_or(|parent| !parent.span().span_context().is_valid());
        if let Some(parent) = parent.filter(|parent| parent.get::<Untrusted>().is_some()) {
            let client = parent.span().span_context().clone();
            let mut result = self.0.should_sample(
                None,
                RandomIdGenerator::default().new_trace_id(),
                name,
                kind,
                attributes,
                links,
            );
            if !client.is_sampled() {
                result.decision = SamplingDecision::Drop;
            }
            return SamplingResult { trace_state: client.trace_state().clone(), ..result };
        }
        let mut result = self.0.should_sample(parent, trace_id, name, kind, attributes, links);
        if is_root && links.iter().any(|link| link.span_context.is_sampled()) {
            result.decision = SamplingDecision::RecordAndSample;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags};
    use opentelemetry_sdk::trace::Sampler;

    use super::*;

    fn context(id: u128, flags: TraceFlags) -> SpanContext {
        SpanContext::new(TraceId::from(id), SpanId::from(1), flags, true, Default::default())
    }

    /// Returns whether a span with this parent is exported when one in two new traces is.
    fn is_sampled(parent: &Context, links: &[Link]) -> bool {
        let half = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.5)));
        let id = parent.span().span_context().trace_id();
        let result = TrustedSampler(Box::new(half)).should_sample(
            Some(parent),
            id,
            "span",
            &SpanKind::Server,
            &[],
            links,
        );
        result.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn a_client_does_not_choose_what_is_exported() {
        // The sampler exports the smallest ids.
        let sampled = Context::new().with_remote_span_context(context(1, TraceFlags::SAMPLED));
        assert!(is_sampled(&sampled, &[]), "of another process");
        let of_client = sampled.with_value(Untrusted);
        let count = (0..1_000).filter(|_| is_sampled(&of_client, &[])).count();
        assert!((300..700).contains(&count), "{count} of 1000");
        let unsampled = Context::new().with_remote_span_context(context(1, TraceFlags::default()));
        assert!(!is_sampled(&unsampled.with_value(Untrusted), &[]));
        assert!(!is_sampled(&unsampled, &[]));
    }

    #[test]
    fn work_for_an_exported_call_is_exported() {
        let link = |flags| [Link::with_context(context(1, flags))];
        let none = Sampler::AlwaysOff;
        let is_sampled = |links: &[Link]| {
            let result = TrustedSampler(Box::new(none.clone())).should_sample(
                Some(&Context::new()),
                TraceId::from(u128::MAX),
                "work",
                &SpanKind::Consumer,
                &[],
                links,
            );
            result.decision == SamplingDecision::RecordAndSample
        };
        assert!(is_sampled(&link(TraceFlags::SAMPLED)));
        assert!(!is_sampled(&link(TraceFlags::default())));
        assert!(!is_sampled(&[]));
    }
}
