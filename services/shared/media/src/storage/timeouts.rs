//! Timeouts of a remote storage.

use std::time::Duration;

use anyhow::Context as _;
use bodega_runtime::timeouts::IMAGE_PUT;
use tokio::time::timeout;

#[derive(Clone, Copy, Debug)]
pub(crate) struct StorageTimeouts {
    pub(crate) connect: Duration,
    /// For storing an image, including retries: a client is waiting.
    pub(crate) put: Duration,
    /// For deleting an image, including retries.
    pub(crate) total: Duration,
}

impl Default for StorageTimeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), put: IMAGE_PUT, total: Duration::from_secs(30) }
    }
}

/// Fails when `work` takes longer than `limit`.
pub(super) async fn with_timeout<T>(
    limit: Duration,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    timeout(limit, work).await.with_context(|| format!("no response within {limit:?}"))?
}
