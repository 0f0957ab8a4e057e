//! The storages of images.

mod cloudinary;
mod local;
mod objects;
mod s3;
mod settings;
mod signature;
#[cfg(test)]
mod tests;
mod timeouts;

use bodega_runtime::timeouts::IMAGE_PUT;

use self::timeouts::with_timeout;
pub(crate) use self::{
    cloudinary::{Cloudinary, CloudinaryArgs},
    local::Local,
    s3::{S3, S3Args},
    timeouts::StorageTimeouts,
};
use crate::{error::StorageError, image_key::ImageKey, image_urls::ImageUrls, transcode::EncodedImage};

#[derive(Debug)]
pub(crate) enum Storage {
    Local(Local),
    S3(S3),
    Cloudinary(Cloudinary),
}

impl Storage {
    /// Returns the name in the column `stored_images.storage`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Local(_) => "local",
            Self::S3(_) => "s3",
            Self::Cloudinary(_) => "cloudinary",
        }
    }

    /// Stores an image and its thumbnail.
    pub(crate) async fn put(&self, key: &ImageKey, image: &EncodedImage) -> Result<ImageUrls, StorageError> {
        let urls = match self {
            Self::Local(local) => with_timeout(IMAGE_PUT, local.put(key, image)).await,
            Self::S3(s3) => with_timeout(s3.timeouts.put, s3.put(key, image)).await,
            Self::Cloudinary(cloudinary) => {
                with_timeout(cloudinary.timeouts.put, cloudinary.put(key, image)).await
            }
        };
        urls.map_err(|error| StorageError(error.into()))
    }

    /// Deletes an image and its thumbnail, if they exist.
    pub(crate) async fn delete(&self, key: &ImageKey) -> Result<(), StorageError> {
        let deleted = match self {
            Self::Local(local) => local.delete(key).await,
            Self::S3(s3) => with_timeout(s3.timeouts.total, s3.delete(key)).await,
            Self::Cloudinary(cloudinary) => {
                with_timeout(cloudinary.timeouts.total, cloudinary.delete(key)).await
            }
        };
        deleted.map_err(|error| StorageError(error.into()))
    }
}
