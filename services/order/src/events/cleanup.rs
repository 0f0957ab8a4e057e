//! The cleanup of old events.

use std::time::Duration;

use bodega_runtime::{database::Pool, timeouts, worker::Worker};

use super::db;

/// Time for which events are kept. Events that are not published are kept longer while a replica publishes, or has done so
/// within this time.
pub(crate) const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
const INTERVAL: Duration = Duration::from_secs(3600);

/// Deletes old events until the future is dropped.
pub(crate) async fn clean_up(db: Pool) {
    let worker = Worker {
        name: "cleanup of events",
        interval: INTERVAL,
        idle_interval: INTERVAL,
        concurrency: 1,
        timeout: timeouts::WORK,
    };
    worker.repeat(|| db::delete_old(&db, RETENTION)).await;
}
