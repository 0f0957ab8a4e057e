//! Removing an image from a product.

use bodega_audit::{Event, Subject};
use bodega_runtime::{
    auth::Caller,
    database::{Pool, retry_on_conflict},
};
use serde_json::json;

use crate::{
    AUDIT,
    error::Error,
    products::db::{product_images, products},
};

/// Removes an image from a product, and raises the product's version.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::ImageNotFound`].
pub(crate) async fn remove(db: &Pool, caller: &Caller, product_id: i32, image_id: i64) -> Result<(), Error> {
    retry_on_conflict(async || {
        let mut transaction = db.begin().await?;
        products::lock(&mut transaction, product_id).await?.ok_or(Error::ProductNotFound)?;
        if !product_images::remove(&mut *transaction, product_id, image_id).await? {
            return Err(Error::ImageNotFound);
        }
        products::raise_version(&mut *transaction, product_id).await?;
        let event = Event::new("product.image_removed", caller).on(Subject::new("product", product_id));
        AUDIT.record(&mut transaction, event.details(json!({ "image": image_id }))).await?;
        transaction.commit().await?;
        Ok(())
    })
    .await
}
