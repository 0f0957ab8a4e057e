//! Replacing a process by another of its kind, without anybody noticing.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::{member::Member, process::Process};

/// How long a successor may take until it is ready. It may start while the database is silent.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How often it is asked.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);

impl Member {
    /// Starts a successor, waits until it is ready, leads new connections to it and asks the one before to leave; as a
    /// Deployment of Kubernetes does.
    ///
    /// # Errors
    /// When no successor gets ready: then all is as before. When the one before does not leave in time, or fails on its
    /// way out: then it is gone nevertheless.
    pub(super) async fn roll(&self) -> anyhow::Result<()> {
        let (successor, address) = self.successor().await?;
        match self.replace(successor, address) {
            Some(before) => {
                before.terminate().await.with_context(|| format!("{}: {}", self.name(), self.last_lines()))
            }
            None => Ok(()),
        }
    }

    /// A process beside this one that is ready. One that ends is followed by another: where the database does not answer,
    /// services do not start.
    async fn successor(&self) -> anyhow::Result<(Process, SocketAddr)> {
        let deadline = Instant::now() + READY_LIMIT;
        let (mut process, mut address) = self.launch()?;
        loop {
            match self.probe().ask(address).await {
                Ok(()) => return Ok((process, address)),
                Err(refusal) if Instant::now() >= deadline => {
                    bail!("no new {} is ready: {refusal:#}: {}", self.name(), self.last_lines())
                }
                Err(_) => {}
            }
            if let Some(status) = process.ended()? {
                warn!("a new {} ended with {status}: {}", self.name(), self.last_lines());
                (process, address) = self.launch()?;
            }
            sleep(PROBE_INTERVAL).await;
        }
    }
}
