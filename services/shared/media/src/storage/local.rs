//! Pictures in a directory, which the gateway shows.

use std::{
    io::ErrorKind,
    path::{self, PathBuf},
    sync::OnceLock,
};

use anyhow::Context as _;
use object_store::{Attributes, local::LocalFileSystem, path::Path};
use tokio::fs;

use super::{ImageUrls, objects};
use crate::{key::ImageKey, picture::EncodedImage};

/// Where the gateway shows them.
const BASE: &str = "/media";

/// A directory. A file in it is whole, and on the disk, once it has its name.
#[derive(Debug)]
pub(crate) struct Local {
    directory: PathBuf,
    store: OnceLock<LocalFileSystem>,
}

impl Local {
    pub(crate) fn new(directory: &path::Path) -> Self {
        Self { directory: directory.to_owned(), store: OnceLock::new() }
    }

    /// The directory, made when it is not there.
    ///
    /// # Errors
    /// When it cannot be.
    pub(crate) fn open(&self) -> anyhow::Result<&LocalFileSystem> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        std::fs::create_dir_all(&self.directory)?;
        let store = LocalFileSystem::new_with_prefix(&self.directory)?.with_fsync(true);
        Ok(self.store.get_or_init(|| store))
    }

    pub(super) async fn put(&self, key: &ImageKey, picture: &EncodedImage) -> anyhow::Result<ImageUrls> {
        objects::put(self.open()?, key, picture, Attributes::new()).await?;
        Ok(ImageUrls::below(BASE, key))
    }

    pub(super) async fn delete(&self, key: &ImageKey) -> anyhow::Result<()> {
        objects::delete(self.open()?, key).await?;
        for name in [key.to_string(), key.thumbnail()] {
            self.delete_staged(&Path::from(name)).await?;
        }
        Ok(())
    }

    /// Removes what a process that was killed left beside `path`: a file has this name before it is whole.
    async fn delete_staged(&self, path: &Path) -> anyhow::Result<()> {
        let staged = self.directory.join(format!("{path}#1"));
        match fs::remove_file(&staged).await {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                Err(cause).with_context(|| format!("cannot remove {}", staged.display()))
            }
            _ => Ok(()),
        }
    }
}
