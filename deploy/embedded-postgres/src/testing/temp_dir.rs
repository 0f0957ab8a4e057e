//! Temporary directories that the server's user can enter, and that a later run removes if this process is killed.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::data_dir::DataDir;
use crate::recovery;
use crate::user::{ServerUser, is_root};

const PREFIX: &str = "bodega-test-";

/// A file that is locked while its directory is in use.
const LOCK_FILE: &str = "in-use";

/// The age from which an unlocked directory is abandoned: the owner of a younger one may not have locked it yet.
const MIN_AGE: Duration = Duration::from_secs(60);

/// The free space in bytes that a run of a few hundred tests needs. Docker's default 64 MB are not enough.
const REQUIRED_SPACE: u64 = 2 << 30;

/// A new directory that the server's user can enter. Removed with its content when dropped or, if the process was killed,
/// by a later run.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
    _lock: File,
}

impl TempDir {
    /// Creates a directory with `purpose` in its name.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn new(purpose: &str) -> io::Result<TempDir> {
        let unique: u64 = rand::random();
        let path = parent()?.join(format!("{PREFIX}{purpose}-{unique:016x}"));
        fs::create_dir(&path)?;
        // The server's user must be able to enter it, whatever the umask is.
        fs::set_permissions(&path, Permissions::from_mode(0o711))?;
        let lock = File::create(path.join(LOCK_FILE))?;
        lock.try_lock()?;
        Ok(TempDir { path, _lock: lock })
    }

    /// The absolute path, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Returns `TMPDIR`, or a directory in memory if that has enough space, or the system's temporary directory; `/tmp` if the server's user cannot
/// enter that.
fn parent() -> io::Result<PathBuf> {
    // A new database has three hundred files: on some disks, creating them takes longer than the test.
    let memory = std::env::var_os("TMPDIR").is_none().then(|| Path::new("/dev/shm"));
    let parent = match memory.filter(|path| has_space(path)) {
        Some(memory) => memory.to_owned(),
        None => std::env::temp_dir(),
    };
    let parent = parent.canonicalize()?;
    let is_private = || ServerUser::default_user().is_ok_and(|user| !user.can_enter(&parent));
    if is_root() && is_private() { Path::new("/tmp").canonicalize() } else { Ok(parent) }
}

fn has_space(path: &Path) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) >= REQUIRED_SPACE)
}

/// Removes the directories of killed processes. The next run retries those that cannot be removed.
pub(super) fn remove_abandoned() {
    let entries = parent().and_then(fs::read_dir).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let path = entry.path();
            match remove_if_abandoned(&path) {
                Ok(true) => tracing::debug!("removed abandoned directory {}", path.display()),
                Ok(false) => {}
                Err(error) => tracing::debug!("cannot remove {}: {error:#}", path.display()),
            }
        }
    }
}

fn remove_if_abandoned(path: &Path) -> anyhow::Result<bool> {
    let age = fs::metadata(path)?.modified()?.elapsed().unwrap_or_default();
    if age < MIN_AGE {
        return Ok(false);
    }
    let lock = File::open(path.join(LOCK_FILE))?;
    if lock.try_lock().is_err() {
        return Ok(false);
    }
    if path.join("postgres").exists() {
        recovery::clean_up(&DataDir::open(path)?)?;
    }
    fs::remove_dir_all(path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn make_old(path: &Path) {
        let long_ago = SystemTime::now() - MIN_AGE * 2;
        File::open(path).unwrap().set_modified(long_ago).unwrap();
    }

    #[test]
    fn keeps_a_directory_in_use() {
        let dir = TempDir::new("used").unwrap();
        make_old(dir.path());
        assert!(!remove_if_abandoned(dir.path()).unwrap());
        assert!(dir.path().exists());
    }

    #[test]
    fn removes_an_abandoned_directory_after_the_minimum_age() {
        let dir = parent().unwrap().join(format!("{PREFIX}dead-{:016x}", rand::random::<u64>()));
        fs::create_dir(&dir).unwrap();
        File::create(dir.join(LOCK_FILE)).unwrap();
        assert!(!remove_if_abandoned(&dir).unwrap());
        make_old(&dir);
        assert!(remove_if_abandoned(&dir).unwrap());
        assert!(!dir.exists());
    }
}
