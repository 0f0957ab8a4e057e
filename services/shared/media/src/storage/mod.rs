//! Where pictures are kept.

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
use crate::{error::StorageError, key::ImageKey, picture::EncodedImage};

/// How long a storage behind a network may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// To connect.
    pub(crate) connect: Duration,
    /// To keep or delete a picture, with everything that is tried again.
    pub(crate) total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(30) }
    }
}

/// Where a picture that is kept can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUrls {
    /// Absolute, or a path on the gateway's host.
    pub url: String,
    /// The thumbnail's.
    pub thumbnail_url: String,
}

impl ImageUrls {
    /// Of a picture that is kept under its key below `base`.
    fn below(base: &str, key: &ImageKey) -> Self {
        Self { url: format!("{base}/{key}"), thumbnail_url: format!("{base}/{}", key.thumbnail()) }
    }
}

/// One of the places.
#[derive(Debug)]
pub(crate) enum Storage {
    Local(Local),
    S3(S3),
    Cloudinary(Cloudinary),
}

impl Storage {
    /// As the database remembers it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Local(_) => "local",
            Self::S3(_) => "s3",
            Self::Cloudinary(_) => "cloudinary",
        }
    }

    /// Keeps a picture and its thumbnail.
    ///
    /// # Errors
    /// When either may not be kept.
    pub(crate) async fn put(
        &self,
        key: &ImageKey,
        picture: &EncodedImage,
    ) -> Result<ImageUrls, StorageError> {
        let links = match self {
            Self::Local(local) => local.put(key, picture).await,
            Self::S3(s3) => in_time(s3.patience, s3.put(key, picture)).await,
            Self::Cloudinary(cloudinary) => in_time(cloudinary.patience, cloudinary.put(key, picture)).await,
        };
        links.map_err(|cause| StorageError(cause.into()))
    }

    /// Removes a picture and its thumbnail, if they are there.
    ///
    /// # Errors
    /// When either may still be there.
    pub(crate) async fn delete(&self, key: &ImageKey) -> Result<(), StorageError> {
        let deleted = match self {
            Self::Local(local) => local.delete(key).await,
            Self::S3(s3) => in_time(s3.patience, s3.delete(key)).await,
            Self::Cloudinary(cloudinary) => in_time(cloudinary.patience, cloudinary.delete(key)).await,
        };
        deleted.map_err(|cause| StorageError(cause.into()))
    }
}

async fn in_time<T>(patience: Patience, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let limit = patience.total;
    timeout(limit, work).await.with_context(|| format!("no answer within {limit:?}"))?
}
