//! The pipeline of an image: upload, re-encoding, storage.

use std::{path::Path, sync::Arc};

use bodega_runtime::metrics::on_scrape;
use tokio::sync::Semaphore;

use crate::{
    error::{Rejected, StorageError},
    image_key::ImageKey,
    image_urls::ImageUrls,
    limits::ImageLimits,
    memory::{self, DecodeMemory},
    probe::ImageInfo,
    storage::{Local, Storage},
    transcode::{self, EncodedImage},
    upload::{self, Upload},
};

/// Uploads of the maximum size that are collected at the same time, or more of smaller ones.
const MAX_UPLOADS: usize = 16;

/// Accepts, re-encodes and stores images. Cheap to clone; clones share the limits.
#[derive(Clone, Debug)]
pub struct Media {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limits: ImageLimits,
    /// The memory of uploads that are being collected, in blocks.
    uploads: Arc<Semaphore>,
    memory: DecodeMemory,
    storage: Arc<Storage>,
}

impl Media {
    /// Creates a storage in `directory` with the default limits. The directory is created when it is first needed, and
    /// the gateway serves it under `/media`.
    pub fn local(directory: &Path) -> Self {
        Self::new(ImageLimits::default(), Storage::Local(Local::new(directory)))
    }

    pub(crate) fn new(limits: ImageLimits, storage: Storage) -> Self {
        Self::with_storage("images", limits, Arc::new(storage))
    }

    /// Returns the same storage with a limit of its own for the width and height of images, and so with permits and memory
    /// that larger images do not use. Metrics show it as `pool`.
    #[must_use]
    pub fn limited_to(&self, pool: &'static str, max_side: u32) -> Self {
        let limits = &self.inner.limits;
        let limits = ImageLimits { image_max_side: max_side.min(limits.image_max_side), ..limits.clone() };
        Self::with_storage(pool, limits, Arc::clone(&self.inner.storage))
    }

    fn with_storage(pool: &'static str, limits: ImageLimits, storage: Arc<Storage>) -> Self {
        let uploads = Arc::new(Semaphore::new(MAX_UPLOADS * upload::blocks(limits.image_max_bytes)));
        let memory = DecodeMemory::for_images_up_to(limits.image_max_side);
        let inner = Arc::new(Inner { limits, uploads, memory, storage });
        memory::describe_metrics();
        on_scrape(&inner, move |inner| inner.memory.show(pool));
        Self { inner }
    }

    /// Returns the name of the storage: `local`, `s3` or `cloudinary`.
    pub fn storage(&self) -> &'static str {
        self.inner.storage.name()
    }

    /// Starts an upload. It occupies memory only for what has arrived, so that slow ones do not keep others out.
    pub fn upload(&self) -> Upload {
        Upload::new(self.inner.limits.image_max_bytes, self.inner.uploads.clone())
    }

    /// Decodes an upload and encodes it again, on a blocking thread and within a memory limit. When the future is
    /// dropped, the thread finishes and keeps its memory reserved until then.
    ///
    /// # Errors
    /// When the upload is not an image that can be accepted; [`Rejected::Busy`] when no memory becomes free within 30
    /// seconds.
    pub async fn encode(&self, upload: Upload) -> Result<EncodedImage, Rejected> {
        let max_side = self.inner.limits.image_max_side;
        let (upload, info) = memory::run_blocking(move || {
            let info = ImageInfo::probe(upload.bytes(), max_side)?;
            Ok((upload, info))
        })
        .await?;
        let memory = self.inner.memory.reserve(info.decoded_bytes()).await?;
        memory::run_blocking(move || transcode::transcode(upload.bytes(), info, memory)).await
    }

    /// Stores an image and its thumbnail under `key`.
    ///
    /// # Errors
    /// When the storage fails. The objects may have been written nevertheless.
    pub async fn put(&self, key: &ImageKey, image: EncodedImage) -> Result<ImageUrls, StorageError> {
        self.inner.storage.put(key, &image).await
    }

    /// Deletes the image and the thumbnail under `key`. Succeeds when they do not exist.
    ///
    /// # Errors
    /// When the storage fails. The objects may still exist.
    pub async fn delete(&self, key: &ImageKey) -> Result<(), StorageError> {
        self.inner.storage.delete(key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_the_memory_of_uploads() {
        let media = Media::local(Path::new("unused"));
        let slow: Vec<_> = (0..1000).map(|_| media.upload()).collect();
        let file = vec![0; media.inner.limits.image_max_bytes];
        let mut uploads = Vec::new();
        for _ in 0..MAX_UPLOADS {
            let mut upload = media.upload();
            upload.push(&file).unwrap();
            uploads.push(upload);
        }
        let mut another = media.upload();
        assert_eq!(another.push(b"x"), Err(Rejected::Busy));
        uploads.pop();
        another.push(&file).unwrap();
        drop(slow);
    }
}
