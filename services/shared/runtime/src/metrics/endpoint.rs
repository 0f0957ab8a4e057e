//! The admin listener: what Prometheus and probes read.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use axum::{Router, routing::get};
use http::StatusCode;
use tokio::net::TcpListener;

use super::recorder::Recorder;
use crate::health::Health;

/// Interval of the exporter's maintenance of its histograms.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Installs the recorder, and serves `/metrics`, `/healthz`, `/readyz` and `pages` on `address` until the process ends: probes
/// and Prometheus see the drain before the shutdown, too. Returns the bound address.
///
/// # Errors
/// When the address cannot be bound, or a recorder is installed already.
pub async fn serve(address: SocketAddr, health: Health, pages: Router) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("BODEGA_ADMIN_HTTP: cannot listen on {address}: choose another address"))?;
    let address = listener.local_addr()?;
    let recorder = Recorder::install()?;
    let upkeep = recorder.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            upkeep.run_upkeep();
        }
    });
    let router = Router::new()
        .route("/metrics", get(async move || recorder.render()))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(async move || ready(&health).await))
        .merge(pages);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!("admin listener failed: {error}");
        }
    });
    Ok(address)
}

async fn ready(health: &Health) -> (StatusCode, &'static str) {
    match health.is_ready().await {
        true => (StatusCode::OK, "ok\n"),
        false if health.is_draining() => (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    }
}
