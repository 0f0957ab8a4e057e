//! Timeouts of a remote storage.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::timeout;

#[derive(Clone, Copy, Debug)]
pub(crate) struct StorageTimeouts {
    pub(crate) connect: Duration,
    /// For storing or deleting an image, including retries.
    pub(crate) total: Duration,
}

impl Default for StorageTimeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(30) }
    }
}

/// Fails when `work` takes longer than the total timeout.
pub(super) async fn with_timeout<T>(
    timeouts: StorageTimeouts,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let limit = timeouts.total;
    timeout(limit, work).await.with_context(|| format!("no response within {limit:?}"))?
}
