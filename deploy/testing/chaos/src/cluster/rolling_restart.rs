//! Replacing the process of a node without a gap, as a Kubernetes Deployment does.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::{node::Node, process::Process};

/// Long, since the process may start while the database does not respond.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const PROBE_INTERVAL: Duration = Duration::from_millis(50);

impl Node {
    /// Starts a new process, waits until it is ready, directs new connections to it and terminates the old one.
    ///
    /// # Errors
    /// The new process does not become ready: the old one stays in place. The old process fails or does not exit in time: it
    /// is killed.
    pub(super) async fn rolling_restart(&self) -> anyhow::Result<()> {
        let (next, address) = self.spawn_until_ready().await?;
        match self.replace(next, address) {
            Some(old) => {
                old.terminate().await.with_context(|| format!("{}: {}", self.name(), self.log_tail()))
            }
            None => Ok(()),
        }
    }

    /// Starts a process, and another if it exits, as services do when the database does not respond.
    async fn spawn_until_ready(&self) -> anyhow::Result<(Process, SocketAddr)> {
        let deadline = Instant::now() + READY_TIMEOUT;
        let (mut process, mut address) = self.spawn()?;
        loop {
            match self.probe().check(address).await {
                Ok(()) => return Ok((process, address)),
                Err(error) if Instant::now() >= deadline => {
                    bail!("no new {} is ready: {error:#}: {}", self.name(), self.log_tail())
                }
                Err(_) => {}
            }
            if let Some(status) = process.exit_status()? {
                warn!("new {} exited with {status}, starting another: {}", self.name(), self.log_tail());
                (process, address) = self.spawn()?;
            }
            sleep(PROBE_INTERVAL).await;
        }
    }
}
