//! Configuration of image storage and limits.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::{
    limits::ImageLimits,
    media::Media,
    storage::{CloudinaryArgs, Local, S3Args, Storage, StorageTimeouts},
};

/// Storage and limits of images.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MediaArgs {
    #[command(flatten)]
    limits: ImageLimits,
    #[command(flatten)]
    s3: S3Args,
    #[command(flatten)]
    cloudinary: CloudinaryArgs,
}

impl MediaArgs {
    /// Opens the configured storage. Without one, opens `directory` and creates it when it does not exist. Makes no
    /// network calls: an invalid remote storage fails with the first image.
    ///
    /// # Errors
    /// When the configuration of a storage is incomplete, when two are configured, or when the directory cannot be
    /// created.
    pub fn open(&self, directory: &Path) -> anyhow::Result<Media> {
        let timeouts = StorageTimeouts::default();
        let storage = match (self.s3.open(timeouts)?, self.cloudinary.open(timeouts)?) {
            (Some(_), Some(_)) => {
                bail!(
                    "only one image storage can be configured: set BODEGA_S3_BUCKET or CLOUD_NAME, and not both"
                )
            }
            (Some(s3), None) => Storage::S3(s3),
            (None, Some(cloudinary)) => Storage::Cloudinary(cloudinary),
            (None, None) => {
                let local = Local::new(directory);
                local.open().with_context(|| {
                    format!("BODEGA_MEDIA_DIR: cannot use the image directory {}", directory.display())
                })?;
                Storage::Local(local)
            }
        };
        Ok(Media::new(self.limits.clone(), storage))
    }
}
