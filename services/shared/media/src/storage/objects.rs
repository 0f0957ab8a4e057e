//! What storages of plain objects do alike.

use object_store::{Attributes, Error, ObjectStore, ObjectStoreExt as _, PutOptions, Result, path::Path};
use tokio::join;

use crate::{key::ImageKey, picture::EncodedImage};

/// Keeps a picture and its thumbnail, both with `attributes`.
///
/// # Errors
/// When either is not kept.
pub(super) async fn put(
    store: &dyn ObjectStore,
    key: &ImageKey,
    picture: &EncodedImage,
    attributes: Attributes,
) -> Result<()> {
    let options = PutOptions::from(attributes);
    let (original, thumbnail) = (Path::from(key.to_string()), Path::from(key.thumbnail()));
    // Both to their end: one that is left alone because the other failed may still be written after that was told.
    let (original, thumbnail) = join!(
        store.put_opts(&original, picture.original.clone().into(), options.clone()),
        store.put_opts(&thumbnail, picture.thumbnail.clone().into(), options),
    );
    original.and(thumbnail).map(drop)
}

/// Removes a picture and its thumbnail, each even where the other cannot be removed.
///
/// # Errors
/// When either may still be there.
pub(super) async fn delete(store: &dyn ObjectStore, key: &ImageKey) -> Result<()> {
    let (original, thumbnail) = (Path::from(key.to_string()), Path::from(key.thumbnail()));
    let (original, thumbnail) = join!(store.delete(&original), store.delete(&thumbnail));
    absent(original).and(absent(thumbnail))
}

fn absent(deleted: Result<()>) -> Result<()> {
    match deleted {
        // Without its bucket a picture may well be there, in another.
        Err(Error::NotFound { source, .. }) if !source.to_string().contains("NoSuchBucket") => Ok(()),
        deleted => deleted,
    }
}
