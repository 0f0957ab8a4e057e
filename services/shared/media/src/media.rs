//! Pictures from their first byte to the storage.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::timeout};

use crate::{
    args::Bounds,
    error::{Rejected, StorageError},
    key::ImageKey,
    outline::Outline,
    picture::{self, EncodedImage},
    storage::{ImageUrls, Local, Storage},
    upload::Upload,
    worker::{self, Memory},
};

/// How many uploads are collected at once.
const PLACES: usize = 8;
/// How long an upload waits for a place.
const PATIENCE: Duration = Duration::from_secs(2);

/// Takes pictures in, and keeps them. Cheap to clone; clones share the bounds.
#[derive(Clone, Debug)]
pub struct Media {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bounds: Bounds,
    places: Arc<Semaphore>,
    memory: Memory,
    storage: Storage,
}

impl Media {
    /// Pictures in a directory, shown under `/media` by the gateway; the default bounds. The directory is made when it
    /// is first needed.
    pub fn local(directory: &Path) -> Self {
        Self::new(Bounds::default(), Storage::Local(Local::new(directory)))
    }

    pub(crate) fn new(bounds: Bounds, storage: Storage) -> Self {
        let places = Arc::new(Semaphore::new(PLACES));
        let memory = Memory::for_pictures_up_to(bounds.image_max_side);
        Self { inner: Arc::new(Inner { bounds, places, memory, storage }) }
    }

    /// The name of the storage, as the database remembers it: `local`, `s3` or `cloudinary`.
    pub fn storage(&self) -> &'static str {
        self.inner.storage.name()
    }

    /// Room for one more upload: waits for one of eight places, at most 2 s.
    ///
    /// # Errors
    /// [`Rejected::Busy`] when none gets free.
    pub async fn upload(&self) -> Result<Upload, Rejected> {
        match timeout(PATIENCE, Arc::clone(&self.inner.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(Upload::new(self.inner.bounds.image_max_bytes, place)),
            _ => Err(Rejected::Busy),
        }
    }

    /// Looks at an upload by its content, decodes it and encodes it anew, in a bounded worker. A call that is given up
    /// leaves its worker to finish, with the memory it has.
    ///
    /// # Errors
    /// When it is no picture, or none that may be kept; [`Rejected::Busy`] when no memory gets free in 30 s.
    pub async fn encode(&self, upload: Upload) -> Result<EncodedImage, Rejected> {
        let max_side = self.inner.bounds.image_max_side;
        let (upload, outline) = worker::run(move || {
            let outline = Outline::of(upload.bytes(), max_side)?;
            Ok((upload, outline))
        })
        .await?;
        let memory = self.inner.memory.reserve(outline.pixels()).await?;
        worker::run(move || picture::make(upload.bytes(), outline, memory)).await
    }

    /// Keeps a picture and its thumbnail under `key`.
    ///
    /// # Errors
    /// When the storage does not take it; then it may have it all the same.
    pub async fn put(&self, key: &ImageKey, picture: EncodedImage) -> Result<ImageUrls, StorageError> {
        self.inner.storage.put(key, &picture).await
    }

    /// Removes what is kept under `key`; that nothing is, is fine.
    ///
    /// # Errors
    /// When the storage does not say that it is gone.
    pub async fn delete(&self, key: &ImageKey) -> Result<(), StorageError> {
        self.inner.storage.delete(key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_upload_too_many_waits_for_a_place_and_not_for_long() {
        let media = Media::local(Path::new("unused"));
        let mut uploads = Vec::new();
        for _ in 0..PLACES {
            uploads.push(media.upload().await.unwrap());
        }
        assert_eq!(media.clone().upload().await.unwrap_err(), Rejected::Busy);

        let waiting = tokio::spawn({
            let media = media.clone();
            async move { media.upload().await }
        });
        tokio::task::yield_now().await;
        uploads.pop();
        waiting.await.unwrap().unwrap();
    }
}
