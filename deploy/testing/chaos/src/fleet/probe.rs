//! Whether a process can serve, asked at its own address.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, ensure};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// How long an answer may take, as in Kubernetes.
const PATIENCE: Duration = Duration::from_secs(1);

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// `grpc.health.v1.Health/Check`
    Grpc,
    /// `GET /readyz`
    Http,
}

impl Probe {
    /// Asks once.
    ///
    /// # Errors
    /// When it cannot serve, or does not answer: what it says.
    pub(super) async fn ask(self, address: SocketAddr) -> anyhow::Result<()> {
        match self {
            Self::Grpc => ask_over_grpc(address).await,
            Self::Http => {
                let http = client().context("no HTTP client")?;
                ask_over_http(&http, &format!("http://{address}")).await
            }
        }
    }
}

async fn ask_over_grpc(address: SocketAddr) -> anyhow::Result<()> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let channel = endpoint.connect_timeout(PATIENCE).timeout(PATIENCE).connect().await?;
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await?;
    let status = answer.get_ref().status();
    ensure!(status == ServingStatus::Serving, "{}", status.as_str_name());
    Ok(())
}

/// Asks a gateway.
///
/// # Errors
/// When it is not ready, or does not answer: what it says.
pub(super) async fn ask_over_http(http: &reqwest::Client, url: &str) -> anyhow::Result<()> {
    let answer = http.get(format!("{url}/readyz")).send().await?;
    let status = answer.status();
    ensure!(status == 200, "{status}: {}", answer.text().await.unwrap_or_default());
    Ok(())
}

/// A client that keeps no connection: one that is kept would go on asking a process that has been replaced.
///
/// # Errors
/// When the system does not let it be made.
pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(PATIENCE);
    // To read the system's certificates takes longer than all the rest, and nothing here is https.
    http.tls_certs_only([]).build()
}
