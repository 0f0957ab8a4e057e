//! The operations that the local and the S3 storage share.

use object_store::{Attributes, Error, ObjectStore, ObjectStoreExt as _, PutOptions, Result, path::Path};
use tokio::join;

use crate::{image_key::ImageKey, transcode::EncodedImage};

/// Writes an image and its thumbnail with the same `attributes`.
pub(super) async fn put(
    store: &dyn ObjectStore,
    key: &ImageKey,
    image: &EncodedImage,
    attributes: Attributes,
) -> Result<()> {
    let options = PutOptions::from(attributes);
    let (original, thumbnail) = (Path::from(key.to_string()), Path::from(key.thumbnail()));
    // Both are awaited: a write that is dropped because the other failed could still succeed after the error was
    // returned.
    let (original, thumbnail) = join!(
        store.put_opts(&original, image.original.clone().into(), options.clone()),
        store.put_opts(&thumbnail, image.thumbnail.clone().into(), options),
    );
    original.and(thumbnail).map(drop)
}

/// Deletes an image and its thumbnail; the failure of one does not skip the other.
pub(super) async fn delete(store: &dyn ObjectStore, key: &ImageKey) -> Result<()> {
    let (original, thumbnail) = (Path::from(key.to_string()), Path::from(key.thumbnail()));
    let (original, thumbnail) = join!(store.delete(&original), store.delete(&thumbnail));
    ignore_not_found(original).and(ignore_not_found(thumbnail))
}

fn ignore_not_found(deleted: Result<()>) -> Result<()> {
    match deleted {
        // A missing bucket is a wrong configuration: the image may exist in the right one.
        Err(Error::NotFound { source, .. }) if !source.to_string().contains("NoSuchBucket") => Ok(()),
        deleted => deleted,
    }
}
