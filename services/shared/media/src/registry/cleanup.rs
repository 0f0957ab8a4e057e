//! The worker that deletes unused images.
//!
//! Every replica runs it; an image is deleted by one replica at a time, and deleting it twice is harmless. Images in a
//! storage that is not configured stay until it is configured again.

use std::time::Duration;

use bodega_runtime::{
    backoff::Backoff,
    timeouts::{IMAGE_CLEANUP, IMAGE_CLEANUP_LEASE, IMAGE_DELETE},
    worker::Worker,
};
use tokio::time::timeout;
use tracing::{info, warn};

use super::{ImageRegistry, db::ClaimedImage};

const WORKER: Worker = Worker {
    name: "image cleanup",
    interval: Duration::from_secs(1),
    idle_interval: Duration::from_secs(8),
    concurrency: 4,
    timeout: IMAGE_CLEANUP,
};
/// Images that are claimed at a time: with `concurrency` they are deleted well within their lease.
const BATCH_SIZE: i64 = 16;
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10 * 60));

impl ImageRegistry {
    /// Deletes unused images until the future is dropped.
    pub async fn clean_up(self) {
        let claim = || self.images.claim(&self.db, self.media.storage(), BATCH_SIZE, IMAGE_CLEANUP_LEASE);
        WORKER.run(claim, |image| self.delete_or_postpone(image)).await;
    }

    async fn delete_or_postpone(&self, ClaimedImage { key, attempts }: ClaimedImage) {
        let finished = match self.delete_object(&key).await {
            Ok(()) => {
                info!(image.key = key, "deleted unused image");
                self.images.delete(&self.db, &key).await
            }
            Err(error) => {
                let pause = RETRY_BACKOFF.pause(attempts);
                warn!(image.key = key, "cannot delete unused image, retrying in {pause:?}: {error:#}");
                self.images.postpone(&self.db, &key, pause).await
            }
        };
        if let Err(error) = finished {
            warn!(image.key = key, "cannot update the image registry, retrying after the lease: {error}");
        }
    }

    async fn delete_object(&self, key: &str) -> anyhow::Result<()> {
        Ok(timeout(IMAGE_DELETE, self.media.delete(&key.parse()?)).await??)
    }
}
