//! Readiness probes of single processes.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, ensure};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// The timeout of a Kubernetes probe.
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// `grpc.health.v1.Health/Check`
    Grpc,
    /// `GET /readyz`
    Http,
}

impl Probe {
    /// Checks once whether a process is ready.
    ///
    /// # Errors
    /// The process is not ready (with its response).
    pub(super) async fn check(self, address: SocketAddr) -> anyhow::Result<()> {
        match self {
            Self::Grpc => check_grpc(address).await,
            Self::Http => check_http(&client()?, &format!("http://{address}")).await,
        }
    }
}

async fn check_grpc(address: SocketAddr) -> anyhow::Result<()> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let channel = endpoint.connect_timeout(TIMEOUT).timeout(TIMEOUT).connect().await?;
    let response = HealthClient::new(channel).check(HealthCheckRequest::default()).await?;
    let status = response.get_ref().status();
    ensure!(status == ServingStatus::Serving, "{}", status.as_str_name());
    Ok(())
}

pub(super) async fn check_http(http: &reqwest::Client, url: &str) -> anyhow::Result<()> {
    let response = http.get(format!("{url}/readyz")).send().await?;
    let status = response.status();
    ensure!(status == 200, "{status}: {}", response.text().await.unwrap_or_default());
    Ok(())
}

/// Checks once whether all services are available to the gateway at `url`.
///
/// # Errors
/// Some are not (with the response).
pub(super) async fn check_services(http: &reqwest::Client, url: &str) -> anyhow::Result<()> {
    let status = http.get(format!("{url}/status")).send().await?.text().await?;
    let json: serde_json::Value = serde_json::from_str(&status)?;
    ensure!(json["status"] == "ok", "{status}");
    Ok(())
}

/// Creates a client without a connection pool: a pooled connection would lead to a process that was replaced.
pub(super) fn client() -> anyhow::Result<reqwest::Client> {
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(TIMEOUT);
    // Loading the system's certificates is slow, and no URL here is https.
    http.tls_certs_only([]).build().context("cannot create an HTTP client")
}
