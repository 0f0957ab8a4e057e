//! The worker that deletes expired guest carts, old checkouts and old records of merged carts.

use std::time::Duration;

use bodega_runtime::{database::Pool, worker::Worker};
use tracing::info;

use crate::db::{carts, checkouts, merged_guests};

const WORKER: Worker = Worker {
    name: "cart cleanup",
    interval: Duration::from_secs(3600),
    idle_interval: Duration::from_secs(3600),
    concurrency: 1,
    timeout: Duration::from_secs(10),
};
/// A guest's cart expires this long after its last change.
const GUEST_CART_DAYS: i32 = 30;
/// Checkouts older than this are deleted: the order service does not repeat a call after such a time.
const CHECKOUT_DAYS: i32 = 90;
/// For that time, an order of a guest may still have to be cleared from the cart into which the guest's was merged.
const MERGED_GUEST_DAYS: i32 = CHECKOUT_DAYS;
/// Maximum number of rows that one statement deletes, so that no statement takes long.
const BATCH: i64 = 1000;

/// Deletes expired rows, now and every hour. Any number of replicas may do so at the same time.
pub(crate) async fn run(db: Pool) {
    WORKER.repeat(|| delete_batch(&db)).await;
}

/// Returns whether anything was deleted.
async fn delete_batch(db: &Pool) -> sqlx::Result<bool> {
    let carts = carts::delete_stale_guests(db, GUEST_CART_DAYS, BATCH).await?;
    let checkouts = checkouts::delete_old(db, CHECKOUT_DAYS, BATCH).await?;
    let merged = merged_guests::delete_old(db, MERGED_GUEST_DAYS, BATCH).await?;
    let found = carts > 0 || checkouts > 0 || merged > 0;
    if found {
        info!(
            "deleted {carts} expired guest carts, {checkouts} old checkouts and {merged} records of merged carts"
        );
    }
    Ok(found)
}
