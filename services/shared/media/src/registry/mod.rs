//! The image registry: a row in the service's database for each object in the storage.
//!
//! A row is inserted before its object is written, with a time after which the object is deleted. The transaction that
//! references the image from a product or user clears that time with [`ImageRegistry::mark_used`]. So an object without
//! a reference is deleted, even if a call was aborted, and the storage is never called inside a transaction. A service
//! that removes the last reference sets `delete_after = now()` in the same statement or transaction.

mod cleanup;
mod db;

use std::time::Duration;

use bodega_runtime::database::Pool;
use sqlx::PgConnection;
use uuid::Uuid;

use self::db::StoredImages;
use crate::{
    error::StoreError, image_key::ImageKey, image_urls::ImageUrls, media::Media, transcode::EncodedImage,
};

/// An image is deleted unless it is marked as used within this time.
const UNUSED_RETENTION: Duration = Duration::from_secs(60 * 60);

/// The stored images of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ImageRegistry {
    db: Pool,
    images: StoredImages,
    media: Media,
}

/// An image that the storage contains.
#[derive(Clone, Debug)]
pub struct StoredImage {
    /// The text of its [`ImageKey`].
    pub key: String,
    /// The URLs of the image and its thumbnail.
    pub urls: ImageUrls,
}

impl ImageRegistry {
    /// Creates a registry over the table `<schema>.stored_images` and the storage of `media`.
    pub fn new(db: Pool, schema: &'static str, media: Media) -> Self {
        Self { db, images: StoredImages { schema }, media }
    }

    /// Returns the storage.
    pub fn media(&self) -> &Media {
        &self.media
    }

    /// Stores an image in `folder`. It is deleted after an hour unless it is marked as used.
    ///
    /// # Errors
    /// When the database or the storage fails.
    pub async fn store(&self, folder: &str, image: EncodedImage) -> Result<StoredImage, StoreError> {
        let key = ImageKey { folder: folder.to_owned(), id: Uuid::now_v7(), format: image.format };
        let text = key.to_string();
        self.images.insert(&self.db, &text, self.media.storage(), UNUSED_RETENTION).await?;
        let urls = self.media.put(&key, image).await?;
        Ok(StoredImage { key: text, urls })
    }

    /// Marks images as used, in the transaction that references them. Returns `false` when the deletion of one of them
    /// has begun.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_used(&self, transaction: &mut PgConnection, keys: &[String]) -> sqlx::Result<bool> {
        let marked = self.images.mark_used(transaction, keys).await?;
        Ok(usize::try_from(marked) == Ok(keys.len()))
    }

    /// Schedules unused images for immediate deletion. Skips images that are in use: a commit that returned an error
    /// may have succeeded.
    ///
    /// # Errors
    /// When the database fails; the images are deleted after an hour then.
    pub async fn discard(&self, keys: &[String]) -> sqlx::Result<()> {
        self.images.discard(&self.db, keys).await
    }
}
