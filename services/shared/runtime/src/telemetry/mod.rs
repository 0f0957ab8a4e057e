//! Logging and tracing.
//!
//! Every request has a trace, whose id is in its log lines. It comes from the request's W3C `traceparent` header, or is new,
//! and is passed on in every call ([`Trace`]). Spans are exported over OTLP if a collector is configured; only then there
//! are any ([`spans`], [`sql`]).

mod provider;
mod spans;
pub(crate) mod sql;
mod summary;
mod trace;

use std::{io::IsTerminal as _, time::Duration};

use anyhow::Context as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub(crate) use self::spans::{ClientSpan, RetriedSpan, ServerAddress, rpc_span};
pub use self::{
    spans::{HttpClientSpan, RequestSpan, http_span, process_stored},
    trace::{Trace, link, traceparent},
};
use crate::config::{LogFormat, TelemetryArgs};

/// Returns whether spans are exported.
pub(crate) fn is_exporting() -> bool {
    provider::tracer().is_some()
}

/// Time limit for exporting the remaining spans at the end of the process.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// Keeps telemetry running. Exports the remaining spans when it is dropped.
pub struct Telemetry(Option<SdkTracerProvider>);

/// Starts logging and tracing for the process `name`. Must be called only once, in a multi-threaded runtime.
///
/// # Errors
/// When the filter or the collector's address is invalid.
pub fn init(name: &'static str, args: &TelemetryArgs) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(&args.log)
        .context("BODEGA_LOG is not a valid filter: use a level such as `info`")?;
    let provider = args.otlp_endpoint.as_ref().map(|endpoint| provider::start(name, endpoint)).transpose()?;

    let is_terminal = std::io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal);
    let layer = match args.log_format {
        LogFormat::Text => layer.with_target(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // Each has a filter of its own: what is not logged may have to be exported.
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .with(provider.is_some().then(sql::layer))
        .try_init()
        .context("cannot start logging")?;
    Ok(Telemetry(provider))
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // An error means that some spans are lost, which is too late to report.
        let _ = self.0.as_ref().map(|provider| provider.shutdown_with_timeout(SHUTDOWN));
    }
}
