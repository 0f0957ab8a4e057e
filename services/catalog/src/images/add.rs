//! Pictures of products: taken in, shown, and taken away.
//!
//! Each picture of a call is made anew and put into the storage before the next is looked at; then one transaction
//! gives them all to the product. The row of a picture is written before its object, to be swept in an hour; that
//! transaction takes this back. So wherever a call stops, what no product shows does not stay
//! ([`ImageRegistry`]), and the storage is never called inside a transaction.

use bodega_media::{ImageRegistry, StoredImage};
use bodega_runtime::database::retry_on_conflict;
use sqlx::PgPool;
use tracing::warn;

use crate::{
    error::Error,
    product::Product,
    store::{images, products, shown},
    upload::Parts,
};

/// Folder of product images in the storage.
const FOLDER: &str = "products";
/// Pictures of a call, at most.
const MAX_AT_ONCE: usize = 10;
/// Images of a product, at most; those that are kept elsewhere count.
const MAX_IMAGES: usize = 20;

/// Adds the pictures in `parts` to their product, behind those it has: all of them or none.
///
/// # Errors
/// [`Error::ProductNotFound`]; [`Error::UploadIncomplete`], [`Error::TooManyImages`] and [`Error::Picture`] for what is
/// refused; [`Error::Storage`] and [`Error::PictureSwept`] for what cannot be kept now.
pub(crate) async fn add(db: &PgPool, registry: &ImageRegistry, parts: Parts) -> Result<Product, Error> {
    let mut kept = Vec::new();
    let added = try_add(db, registry, parts, &mut kept).await;
    if added.is_err() {
        discard(registry, &kept).await;
    }
    added
}

/// Leaves what was kept of the pictures in `kept`, when it fails.
async fn try_add(
    db: &PgPool,
    registry: &ImageRegistry,
    mut parts: Parts,
    kept: &mut Vec<StoredImage>,
) -> Result<Product, Error> {
    let product_id = parts.product_id().await?;
    // Before a byte is read: nobody takes up room for what is not there.
    let count = images::count(db, product_id).await?.ok_or(Error::ProductNotFound)?;
    while parts.begins_picture().await? {
        let index = kept.len();
        require_room(count, index)?;
        let refuse = |refused| Error::Picture { index, refused };
        let mut upload = registry.media().upload().await.map_err(refuse)?;
        parts.collect(&mut upload).await?;
        let picture = registry.media().encode(upload).await.map_err(refuse)?;
        kept.push(registry.store(FOLDER, picture).await?);
    }
    retry_on_conflict(|| attach(db, registry, product_id, kept)).await
}

/// Refuses a picture of a call that finds no room at a product with so many images.
fn require_room(count: i64, index: usize) -> Result<(), Error> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let bound = if index >= MAX_AT_ONCE {
        format!("is more than the {MAX_AT_ONCE} that can be added at once")
    } else if count.saturating_add(index) >= MAX_IMAGES {
        format!("is more than the {MAX_IMAGES} that a product can have")
    } else {
        return Ok(());
    };
    Err(Error::TooManyImages { index, bound })
}

async fn attach(
    db: &PgPool,
    registry: &ImageRegistry,
    product_id: i32,
    kept: &[StoredImage],
) -> Result<Product, Error> {
    let mut transaction = db.begin().await?;
    products::lock(&mut transaction, product_id).await?.ok_or(Error::ProductNotFound)?;
    // Others may have added some meanwhile.
    let count = images::count(&mut *transaction, product_id).await?.ok_or(Error::ProductNotFound)?;
    (0..kept.len()).try_for_each(|index| require_room(count, index))?;
    if !registry.mark_used(&mut transaction, &keys(kept)).await? {
        return Err(Error::PictureSwept);
    }
    images::append(&mut transaction, product_id, kept).await?;
    products::touch(&mut transaction, product_id).await?;
    let product = shown::by_id(&mut *transaction, product_id).await?.ok_or(Error::ProductNotFound)?;
    transaction.commit().await?;
    Ok(product)
}

/// Has what was kept in vain swept soon. Where that fails, or a call is dropped, it is swept in its hour.
async fn discard(registry: &ImageRegistry, kept: &[StoredImage]) {
    if kept.is_empty() {
        return;
    }
    if let Err(cause) = registry.discard(&keys(kept)).await {
        warn!("Pictures of a refused upload are swept in an hour: {cause}");
    }
}

fn keys(kept: &[StoredImage]) -> Vec<String> {
    kept.iter().map(|kept| kept.key.clone()).collect()
}

/// Takes a picture, or an image that is kept elsewhere, away from a product.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::ImageNotFound`].
pub(crate) async fn remove(db: &PgPool, product_id: i32, image_id: i64) -> Result<(), Error> {
    retry_on_conflict(async || {
        let mut transaction = db.begin().await?;
        products::lock(&mut transaction, product_id).await?.ok_or(Error::ProductNotFound)?;
        if !images::remove(&mut transaction, product_id, image_id).await? {
            return Err(Error::ImageNotFound);
        }
        products::touch(&mut transaction, product_id).await?;
        transaction.commit().await?;
        Ok(())
    })
    .await
}
