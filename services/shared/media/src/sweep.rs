//! Pictures that nobody shows: deleted from the storage, then forgotten.
//!
//! Any replica does it, one replica a picture at a time. Deleting twice does no harm. Pictures in a storage that is not
//! configured now wait until it is again.

use std::{fmt::Display, time::Duration};

use bodega_runtime::{backoff::Backoff, worker::Worker};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::Media;

const WORKER: Worker = Worker {
    name: "pictures to sweep",
    interval: Duration::from_secs(1),
    concurrency: 4,
    timeout: Duration::from_secs(15),
};
/// How many are swept in one round, within one lease.
const BATCH: i64 = 16;
/// How long the storage has for each.
const DELETE_BOUND: Duration = Duration::from_secs(10);
/// While the storage does not delete.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10 * 60));

/// How long whoever sweeps pictures has for a round of them: the least that a [`Ledger`] leases them for.
pub const LEASE: Duration = Duration::from_secs(60);

/// A picture that is to be swept.
#[derive(Clone, Debug)]
pub struct Due {
    /// As text: see [`ImageKey`](crate::ImageKey).
    pub key: String,
    /// How often that was tried, this time included.
    pub attempts: i32,
}

/// Where a service remembers what its storage holds: a row for each object, written before the object.
pub trait Ledger: Send + Sync {
    /// What goes wrong with it.
    type Error: Display + Send;

    /// Leases what is due in `storage`, the longest first, at most `limit`.
    fn claim(&self, storage: &str, limit: i64) -> impl Future<Output = Result<Vec<Due>, Self::Error>> + Send;

    /// Forgets a picture whose object is gone.
    fn forget(&self, key: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The object could not be deleted; whoever comes after `pause` may try again.
    fn postpone(&self, key: &str, pause: Duration) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Sweeps for as long as the service runs.
pub async fn run(ledger: impl Ledger, media: Media) {
    let claim = || ledger.claim(media.storage(), BATCH);
    let sweep = |due| sweep_or_postpone(&ledger, &media, due);
    WORKER.run(claim, sweep).await;
}

async fn sweep_or_postpone(ledger: &impl Ledger, media: &Media, Due { key, attempts }: Due) {
    if let Err(cause) = delete(media, &key).await {
        warn!(picture.key = key, "EncodedImage {key} is not yet swept: {cause:#}");
        if let Err(cause) = ledger.postpone(&key, BACKOFF.pause(attempts)).await {
            warn!(picture.key = key, "EncodedImage {key} is swept again when its lease ends: {cause}");
        }
        return;
    }
    match ledger.forget(&key).await {
        Ok(()) => info!(picture.key = key, "Swept picture {key}"),
        Err(cause) => {
            warn!(picture.key = key, "EncodedImage {key} is swept again when its lease ends: {cause}")
        }
    }
}

async fn delete(media: &Media, key: &str) -> anyhow::Result<()> {
    Ok(timeout(DELETE_BOUND, media.delete(&key.parse()?)).await??)
}
