//! Images in a directory that the gateway serves.

use std::{
    io::ErrorKind,
    path::{self, PathBuf},
    sync::OnceLock,
};

use anyhow::Context as _;
use object_store::{Attributes, local::LocalFileSystem, path::Path};
use tokio::fs;

use super::objects;
use crate::{image_key::ImageKey, image_urls::ImageUrls, transcode::EncodedImage};

/// The path under which the gateway serves the directory.
const BASE: &str = "/media";

/// A directory. A file has its final name only when it is complete and synced.
#[derive(Debug)]
pub(crate) struct Local {
    directory: PathBuf,
    store: OnceLock<LocalFileSystem>,
}

impl Local {
    pub(crate) fn new(directory: &path::Path) -> Self {
        Self { directory: directory.to_owned(), store: OnceLock::new() }
    }

    /// Opens the directory; creates it when it does not exist.
    pub(crate) fn open(&self) -> anyhow::Result<&LocalFileSystem> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        std::fs::create_dir_all(&self.directory)?;
        let store = LocalFileSystem::new_with_prefix(&self.directory)?.with_fsync(true);
        Ok(self.store.get_or_init(|| store))
    }

    pub(super) async fn put(&self, key: &ImageKey, image: &EncodedImage) -> anyhow::Result<ImageUrls> {
        objects::put(self.open()?, key, image, Attributes::new()).await?;
        Ok(ImageUrls::below(BASE, key))
    }

    pub(super) async fn delete(&self, key: &ImageKey) -> anyhow::Result<()> {
        objects::delete(self.open()?, key).await?;
        for name in [key.to_string(), key.thumbnail()] {
            self.delete_staged(&Path::from(name)).await?;
        }
        Ok(())
    }

    /// Deletes the incomplete file of a process that was killed while it wrote `path`; `object_store` names it
    /// `<path>#1`.
    async fn delete_staged(&self, path: &Path) -> anyhow::Result<()> {
        let staged = self.directory.join(format!("{path}#1"));
        match fs::remove_file(&staged).await {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot delete {}", staged.display()))
            }
            _ => Ok(()),
        }
    }
}
