//! The cleanup of old changes.

use std::time::Duration;

use bodega_runtime::{timeouts, worker::Worker};

use super::{Changes, MAX_POSITION_AGE, db};

/// A replica reads a change within [`MAX_POSITION_AGE`] after its commit, or not at all. The age of a change counts from the
/// start of its transaction.
const RETENTION: Duration = Duration::from_secs(24 * 3600);
const _: () = assert!(RETENTION.as_secs() > MAX_POSITION_AGE.as_secs());

impl Changes {
    /// Deletes old changes until the future is dropped.
    pub(crate) async fn clean_up(self) {
        let worker = Worker {
            name: "cleanup of changes",
            interval: MAX_POSITION_AGE,
            idle_interval: MAX_POSITION_AGE,
            concurrency: 1,
            timeout: timeouts::WORK,
        };
        worker
            .repeat(|| async {
                db::delete_older_than(&self.0.db, RETENTION).await?;
                Ok::<_, sqlx::Error>(false)
            })
            .await;
    }
}
