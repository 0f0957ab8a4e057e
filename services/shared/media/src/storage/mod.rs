//! The storages of images.

mod cloudinary;
mod local;
mod objects;
mod s3;
mod signature;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::timeout;

pub(crate) use self::{
    cloudinary::{Cloudinary, CloudinaryArgs},
    local::Local,
    s3::{S3, S3Args},
};
use crate::{error::StorageError, image_key::ImageKey, transcode::EncodedImage};

/// Timeouts of a remote storage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StorageTimeouts {
    pub(crate) connect: Duration,
    /// For storing or deleting an image, including retries.
    pub(crate) total: Duration,
}

impl Default for StorageTimeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(30) }
    }
}

/// The URLs of a stored image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUrls {
    /// Absolute, or a path on the gateway's host.
    pub url: String,
    /// The URL of the thumbnail.
    pub thumbnail_url: String,
}

impl ImageUrls {
    fn below(base: &str, key: &ImageKey) -> Self {
        Self { url: format!("{base}/{key}"), thumbnail_url: format!("{base}/{}", key.thumbnail()) }
    }
}

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
            Self::Local(local) => local.put(key, image).await,
            Self::S3(s3) => in_time(s3.timeouts, s3.put(key, image)).await,
            Self::Cloudinary(cloudinary) => in_time(cloudinary.timeouts, cloudinary.put(key, image)).await,
        };
        urls.map_err(|error| StorageError(error.into()))
    }

    /// Deletes an image and its thumbnail, if they exist.
    pub(crate) async fn delete(&self, key: &ImageKey) -> Result<(), StorageError> {
        let deleted = match self {
            Self::Local(local) => local.delete(key).await,
            Self::S3(s3) => in_time(s3.timeouts, s3.delete(key)).await,
            Self::Cloudinary(cloudinary) => in_time(cloudinary.timeouts, cloudinary.delete(key)).await,
        };
        deleted.map_err(|error| StorageError(error.into()))
    }
}

async fn in_time<T>(
    timeouts: StorageTimeouts,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let limit = timeouts.total;
    timeout(limit, work).await.with_context(|| format!("no response within {limit:?}"))?
}
