//! Temporary directories that Postgres can live in, and that a later run clears away.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::home::Home;
use crate::recovery;
use crate::user::{ServerUser, is_root};

const PREFIX: &str = "bodega-test-";

/// Locked for as long as its directory is used.
const IN_USE: &str = "in-use";

/// A directory this young may not have been locked yet.
const GRACE: Duration = Duration::from_secs(60);

/// Bytes that a run of some hundred tests fits in. Docker's usual 64 MB are not enough.
const ROOM: u64 = 2 << 30;

/// A new directory that the server's user can enter. Removed with everything in it when dropped;
/// when the process was killed, by the sweep of a later one.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
    _in_use: File,
}

impl TempDir {
    /// Makes a directory with `purpose` in its name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(purpose: &str) -> io::Result<TempDir> {
        let unique: u64 = rand::random();
        let path = parent()?.join(format!("{PREFIX}{purpose}-{unique:016x}"));
        fs::create_dir(&path)?;
        // Whatever our umask is.
        fs::set_permissions(&path, Permissions::from_mode(0o711))?;
        let in_use = File::create(path.join(IN_USE))?;
        in_use.try_lock()?;
        Ok(TempDir { path, _in_use: in_use })
    }

    /// Where it is; absolute and without links.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!("Cannot remove {}: {error}", self.path.display());
        }
    }
}

/// What `TMPDIR` says; else memory, where there is plenty; else the system's usual directory.
/// `/tmp` where the server's user cannot enter that.
fn parent() -> io::Result<PathBuf> {
    // A new database is three hundred files: on some disks that takes longer than the test.
    let memory = std::env::var_os("TMPDIR").is_none().then(|| Path::new("/dev/shm"));
    let parent = match memory.filter(|path| has_room(path)) {
        Some(memory) => memory.to_owned(),
        None => std::env::temp_dir(),
    };
    let parent = parent.canonicalize()?;
    let closed = || ServerUser::of_this_machine().is_ok_and(|server_user| !server_user.reaches(&parent));
    if is_root() && closed() { Path::new("/tmp").canonicalize() } else { Ok(parent) }
}

fn has_room(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) >= ROOM)
}

/// Removes what killed runs have left. What cannot be removed is left to the next sweep.
pub(super) fn sweep() {
    let entries = parent().and_then(fs::read_dir).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let path = entry.path();
            match remove_if_abandoned(&path) {
                Ok(true) => tracing::debug!("Removed {}", path.display()),
                Ok(false) => {}
                Err(error) => tracing::debug!("Cannot remove {}: {error:#}", path.display()),
            }
        }
    }
}

fn remove_if_abandoned(path: &Path) -> anyhow::Result<bool> {
    let age = fs::metadata(path)?.modified()?.elapsed().unwrap_or_default();
    if age < GRACE {
        return Ok(false);
    }
    let in_use = File::open(path.join(IN_USE))?;
    if in_use.try_lock().is_err() {
        return Ok(false);
    }
    if path.join("postgres").exists() {
        recovery::clear(&Home::open(path)?)?;
    }
    fs::remove_dir_all(path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn age(path: &Path) {
        let long_ago = SystemTime::now() - GRACE * 2;
        File::open(path).unwrap().set_modified(long_ago).unwrap();
    }

    #[test]
    fn a_directory_in_use_is_not_swept() {
        let dir = TempDir::new("used").unwrap();
        age(dir.path());
        assert!(!remove_if_abandoned(dir.path()).unwrap());
        assert!(dir.path().exists());
    }

    #[test]
    fn an_abandoned_directory_is_swept_once_it_is_old() {
        let dir = parent().unwrap().join(format!("{PREFIX}dead-{:016x}", rand::random::<u64>()));
        fs::create_dir(&dir).unwrap();
        File::create(dir.join(IN_USE)).unwrap();
        assert!(!remove_if_abandoned(&dir).unwrap());
        age(&dir);
        assert!(remove_if_abandoned(&dir).unwrap());
        assert!(!dir.exists());
    }
}
