//! The workers that delete rejected checkouts, old idempotency keys and old provider events, and personal data of deleted users.

mod db;
pub(crate) mod erasure;

use std::time::Duration;

use bodega_runtime::{database::Pool, timeouts, worker::Worker};
use tracing::info;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Time for which rejected checkouts are kept, with their idempotency keys: a request repeated within it gets the same
/// rejection.
const REJECTED_RETENTION: Duration = DAY.saturating_mul(7);
/// Time for which the idempotency key of an order is kept: a request repeated within it gets the same order.
const KEY_RETENTION: Duration = DAY.saturating_mul(30);
/// Time for which applied events of payment providers are kept. Stripe sends none again after 30 days.
const PROVIDER_EVENT_RETENTION: Duration = DAY.saturating_mul(90);

/// Deletes old rows until the future is dropped. Any number of replicas may do so at the same time.
pub(crate) async fn run(db: Pool) {
    const INTERVAL: Duration = Duration::from_secs(3600);
    let worker = Worker {
        name: "cleanup of checkouts",
        interval: INTERVAL,
        idle_interval: INTERVAL,
        concurrency: 1,
        timeout: timeouts::WORK,
    };
    worker.repeat(|| delete_batch(&db)).await;
}

/// Returns whether anything was deleted.
async fn delete_batch(db: &Pool) -> sqlx::Result<bool> {
    let checkouts = db::delete_rejected(db, REJECTED_RETENTION).await?;
    let contacts = db::delete_contacts_of_rejected(db, REJECTED_RETENTION).await?;
    let keys = db::delete_keys(db, KEY_RETENTION).await?;
    let events = db::delete_provider_events(db, PROVIDER_EVENT_RETENTION).await?;
    let found = checkouts + contacts + keys + events > 0;
    if found {
        info!(
            "deleted {checkouts} rejected checkouts, {contacts} contacts of them, {keys} idempotency keys and {events} provider events"
        );
    }
    Ok(found)
}
