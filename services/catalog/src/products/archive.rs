//! Archiving a product.

use bodega_audit::{Event, Subject};
use bodega_runtime::{
    auth::Caller,
    database::{Pool, retry_on_conflict},
};

use super::{db, update::lock_at_version};
use crate::{AUDIT, error::Error};

/// Archives a product if it has the expected version, or any version if none is expected. Removes its stored images.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::VersionMismatch`].
pub(crate) async fn archive(
    db: &Pool,
    caller: &Caller,
    id: i32,
    expected_version: Option<i64>,
) -> Result<(), Error> {
    retry_on_conflict(async || {
        let mut transaction = db.begin().await?;
        lock_at_version(&mut transaction, id, expected_version).await?;
        db::products::archive(&mut *transaction, id).await?;
        db::product_images::remove_stored(&mut *transaction, id).await?;
        let event = Event::new("product.deleted", caller).on(Subject::new("product", id));
        AUDIT.record(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(())
    })
    .await
}
