//! Adding images to a product.
//!
//! Each image of a call is encoded and stored before the next one is read; then one transaction adds all of them to the
//! product. If a call fails, the image registry deletes the stored images that no product uses.

use bodega_audit::{Event, Subject};
use bodega_media::{ImageRegistry, StoredImage};
use bodega_runtime::{
    auth::Caller,
    database::{Pool, retry_on_conflict},
    rate_limit::{RateLimiter, limits},
};
use serde_json::json;
use tracing::warn;

use super::upload_stream::UploadStream;
use crate::{
    AUDIT,
    error::Error,
    products::{self, Product, db::product_images},
};

/// Folder of product images in the storage.
const FOLDER: &str = "products";
const MAX_IMAGES_PER_CALL: usize = 10;
/// Includes images on other hosts.
const MAX_IMAGES_PER_PRODUCT: usize = 20;

/// Adds the images of a stream after the existing images of a product: all of them or none.
///
/// # Errors
/// [`Error::ProductNotFound`]; [`Error::UploadIncomplete`], [`Error::TooManyImages`] and [`Error::ImageRejected`] for
/// invalid uploads; [`Error::RateLimit`]; [`Error::Storage`] and [`Error::ImageExpired`] if the images cannot be stored.
pub(crate) async fn add(
    db: &Pool,
    caller: &Caller,
    rate_limiter: &RateLimiter,
    registry: &ImageRegistry,
    stream: UploadStream,
) -> Result<Product, Error> {
    let mut stored = Vec::new();
    let added = try_add(db, caller, rate_limiter, registry, stream, &mut stored).await;
    if added.is_err() && !stored.is_empty() {
        let keys = keys(&stored);
        if let Err(error) = registry.discard(&keys).await {
            warn!(
                image.keys = ?keys,
                "cannot discard the images of a failed upload, deleting them in an hour: {error}"
            );
        }
    }
    added
}

/// `stored` receives the images that were stored before a failure.
async fn try_add(
    db: &Pool,
    caller: &Caller,
    rate_limiter: &RateLimiter,
    registry: &ImageRegistry,
    mut stream: UploadStream,
    stored: &mut Vec<StoredImage>,
) -> Result<Product, Error> {
    let product_id = stream.product_id().await?;
    // Rejects an unknown product before any image is received.
    let count = product_images::count(db, product_id).await?.ok_or(Error::ProductNotFound)?;
    while stream.next_image().await? {
        let index = stored.len();
        check_limits(count, index)?;
        rate_limiter.take_cheaply(limits::PRODUCT_IMAGES.by(caller.user_id)).await?;
        let reject = |reason| Error::ImageRejected { index, reason };
        let mut upload = registry.media().upload();
        stream.read_image(&mut upload).await?;
        let image = registry.media().encode(upload).await.map_err(reject)?;
        stored.push(registry.store(FOLDER, image).await?);
    }
    retry_on_conflict(|| attach(db, caller, registry, product_id, stored)).await
}

/// Checks whether the image with this index in a call can be added to a product with `count` images.
fn check_limits(count: i64, index: usize) -> Result<(), Error> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let limit = if index >= MAX_IMAGES_PER_CALL {
        format!("exceeds the limit of {MAX_IMAGES_PER_CALL} images per request")
    } else if count.saturating_add(index) >= MAX_IMAGES_PER_PRODUCT {
        format!("exceeds the limit of {MAX_IMAGES_PER_PRODUCT} images per product")
    } else {
        return Ok(());
    };
    Err(Error::TooManyImages { index, limit })
}

async fn attach(
    db: &Pool,
    caller: &Caller,
    registry: &ImageRegistry,
    product_id: i32,
    images: &[StoredImage],
) -> Result<Product, Error> {
    let mut transaction = db.begin().await?;
    products::db::products::lock(&mut transaction, product_id).await?.ok_or(Error::ProductNotFound)?;
    // Another call may have added images since the first count.
    let count = product_images::count(&mut *transaction, product_id).await?.ok_or(Error::ProductNotFound)?;
    (0..images.len()).try_for_each(|index| check_limits(count, index))?;
    if !registry.mark_used(&mut transaction, &keys(images)).await? {
        return Err(Error::ImageExpired);
    }
    product_images::append(&mut *transaction, product_id, images).await?;
    products::db::products::raise_version(&mut *transaction, product_id).await?;
    let product =
        products::db::products::find(&mut *transaction, product_id).await?.ok_or(Error::ProductNotFound)?;
    let event = Event::new("product.images_added", caller).on(Subject::new("product", product_id));
    AUDIT.record(&mut transaction, event.details(json!({ "images": images.len() }))).await?;
    transaction.commit().await?;
    Ok(product)
}

fn keys(images: &[StoredImage]) -> Vec<String> {
    images.iter().map(|image| image.key.clone()).collect()
}
