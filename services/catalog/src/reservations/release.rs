//! Releasing the stock of an order.

use bodega_runtime::database::{Pool, retry_on_conflict};
use uuid::Uuid;

use super::db::{self, ReservationStatus};
use crate::error::Error;

/// Adds the stock of an order back, once. An order without a reservation is recorded as released, so that a late
/// reservation is rejected.
pub(crate) async fn release(db: &Pool, order_id: Uuid) -> Result<(), Error> {
    retry_on_conflict(async || {
        let mut transaction = db.begin().await?;
        let is_new = db::insert(&mut *transaction, order_id, ReservationStatus::Released).await?;
        if !is_new && db::set_released(&mut *transaction, order_id).await? {
            db::restore_stock(&mut *transaction, order_id).await?;
        }
        transaction.commit().await?;
        Ok(())
    })
    .await
}
