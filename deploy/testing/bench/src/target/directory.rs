//! A temporary data directory on a disk.

use std::{fs, fs::Permissions, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::Context as _;
use tempfile::TempDir;

/// A directory that the database server's user can enter; removed on drop.
pub(crate) struct DataDir {
    directory: TempDir,
}

impl DataDir {
    /// Creates a directory in `TMPDIR`. Commits are as fast as its disk.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("bodega-bench-")
            .permissions(Permissions::from_mode(0o711))
            .tempdir()
            .context("cannot create a temporary directory")?;
        // Whatever the umask is.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o711))?;
        Ok(Self { directory })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // If the server's user cannot enter the directory, the embedded Postgres stores its data elsewhere.
        if let Ok(target) = fs::read_link(self.path().join("postgres"))
            && let Err(error) = fs::remove_dir_all(&target)
        {
            tracing::warn!("cannot remove {}: {error}", target.display());
        }
    }
}
