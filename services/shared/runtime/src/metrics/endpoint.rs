//! The endpoint that Prometheus reads.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::recorder::Recorder;

/// Interval of the exporter's maintenance of its histograms.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Installs the recorder, and serves `/metrics` on `address` until shutdown.
///
/// # Errors
/// When the address cannot be bound, or a recorder is installed already.
pub async fn serve(address: SocketAddr, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("BODEGA_ADMIN_HTTP: cannot listen on {address}"))?;
    let recorder = Recorder::install()?;
    let upkeep = recorder.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            upkeep.run_upkeep();
        }
    });
    let router = axum::Router::new().route("/metrics", axum::routing::get(async move || recorder.render()));
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!("metrics server failed: {error}");
        }
    });
    Ok(())
}
