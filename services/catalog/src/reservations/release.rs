//! Releasing the stock of an order.

use bodega_runtime::database::{Pool, retry_on_conflict};
use uuid::Uuid;

use super::db;
use crate::{changes::Changes, error::Error, metrics};

/// Adds the stock of an order back, once. An order without a reservation is recorded as released, so that a late
/// reservation is rejected.
pub(super) async fn release(db: &Pool, changes: &Changes, order_id: Uuid) -> Result<(), Error> {
    loop {
        let released = retry_on_conflict(|| db::release(db, order_id)).await?;
        if let Some(restored) = released {
            changes.publish_stock(&restored);
            metrics::released(&restored);
            return Ok(());
        }
    }
}
