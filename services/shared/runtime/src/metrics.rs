//! Prometheus metrics: what is measured everywhere, and the page that shows it.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;

/// How often the exporter tidies its histograms up.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Bounds of the latency histograms, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

fn install() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets(BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot collect metrics")
}

/// Records a served call.
pub(crate) fn rpc(service: &'static str, path: &str, code: Code, took: Duration) {
    // Paths come from outside: one that is no RPC of ours must not make a new series.
    let method = if code == Code::Unimplemented { "unknown" } else { path };
    let labels =
        [("service", service.to_owned()), ("method", method.to_owned()), ("code", format!("{code:?}"))];
    ::metrics::histogram!("rpc_server_duration_seconds", &labels).record(took);
}

/// Counts what was decided about a call that failed: `repeated`, or why it was left at that.
pub(crate) fn retry(service: &'static str, outcome: &'static str) {
    ::metrics::counter!("rpc_retries_total", "service" => service, "outcome" => outcome).increment(1);
}

/// Collects, and shows `/metrics` on `address` until the shutdown.
///
/// # Errors
/// When the address cannot be listened on, or somebody else collects already.
pub async fn serve(address: SocketAddr, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("BODEGA_ADMIN_HTTP: cannot listen on {address}"))?;
    let handle = install()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            upkeep.run_upkeep();
        }
    });
    let page = axum::Router::new().route("/metrics", axum::routing::get(async move || handle.render()));
    tokio::spawn(async move {
        let served = axum::serve(listener, page).with_graceful_shutdown(shutdown.cancelled_owned());
        if let Err(cause) = served.await {
            tracing::error!("no metrics any more: {cause}");
        }
    });
    Ok(())
}
