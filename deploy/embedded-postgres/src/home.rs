//! Where a cluster lives, and whose it is.
//!
//! ```text
//! <data_dir>/postgres/      0700, the server's user; or a link to /var/lib/bodega/<name>
//!     data/                 Postgres's own
//!     data.new/             a cluster in the making
//!     run/                  the socket
//!     owner.lock            held by the process that runs the cluster
//!     superuser.password    0600
//!     postgres.log          0600
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::user::{ServerUser, is_root};

/// Where clusters go whose own place the server's user cannot enter.
const ELSEWHERE: &str = "/var/lib/bodega";

/// A socket's path holds at most 103 bytes on macOS (107 on Linux).
const LONGEST_SOCKET_PATH: usize = 103;

/// A cluster's directory, held by us alone until dropped.
pub(crate) struct Home {
    path: PathBuf,
    socket_dir: PathBuf,
    user: Option<ServerUser>,
    lock: File,
}

impl Home {
    /// Takes the directory, making it when missing.
    ///
    /// # Errors
    /// When another process holds it, or when it cannot be made or entered.
    pub(crate) fn open(data_dir: &Path) -> anyhow::Result<Home> {
        let path = locate(data_dir)?;
        let user = if is_root() { Some(adopt(&path)?) } else { None };
        let lock = take_lock(&path, user)?;
        let socket_dir = socket_dir_for(&path);
        Ok(Home { path, socket_dir, user, lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.path.join("data.new")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("postgres.log")
    }

    pub(crate) fn password_file(&self) -> PathBuf {
        self.path.join("superuser.password")
    }

    pub(crate) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The user to drop to; none when we are an ordinary user ourselves.
    pub(crate) fn user(&self) -> Option<ServerUser> {
        self.user
    }

    /// The major version of Postgres that made the data; none when there is no data yet.
    pub(crate) fn version(&self) -> anyhow::Result<Option<u32>> {
        let file = self.data().join("PG_VERSION");
        match fs::read_to_string(&file) {
            Ok(text) => Ok(Some(text.trim().parse().with_context(|| format!("{file:?}"))?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {file:?}")),
        }
    }

    /// Gives `path` to the server's user.
    pub(crate) fn give(&self, path: &Path) -> anyhow::Result<()> {
        self.user.map_or(Ok(()), |user| user.give(path))
    }

    /// Makes the socket's directory anew: a killed server leaves its socket and its lock there.
    pub(crate) fn renew_socket_dir(&self) -> anyhow::Result<()> {
        let directory = &self.socket_dir;
        // Outside the home, someone else may have made it first. Removing what is not ours fails
        // in a sticky directory, but not for root.
        let ours = [Some(rustix::process::geteuid().as_raw()), self.user.map(ServerUser::uid)];
        match fs::symlink_metadata(directory) {
            Ok(found) if ours.contains(&Some(found.uid())) => {
                fs::remove_dir_all(directory).with_context(|| format!("cannot clear {directory:?}"))?;
            }
            Ok(_) => bail!("{} belongs to another user", directory.display()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {directory:?}")),
        }
        make_private_dir(directory).with_context(|| format!("cannot make {directory:?}"))?;
        self.give(directory)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Empty now, unless the server still runs. Inside the home it may stay.
        if !self.socket_dir.starts_with(&self.path) {
            let _ = fs::remove_dir(&self.socket_dir);
        }
        // Closing the file is not enough: a child that another thread forks just now has a copy
        // of it until it runs its program.
        let _ = self.lock.unlock();
    }
}

/// Finds the home of `data_dir`, or makes it: there, or elsewhere with a link to it.
fn locate(data_dir: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(data_dir).with_context(|| format!("cannot make {data_dir:?}"))?;
    let data_dir = data_dir.canonicalize().with_context(|| format!("cannot find {data_dir:?}"))?;
    let home = data_dir.join("postgres");
    if let Err(error) = fs::symlink_metadata(&home) {
        if error.kind() != ErrorKind::NotFound {
            return Err(error).with_context(|| format!("cannot read {home:?}"));
        }
        let made = if is_root() && !ServerUser::of_this_machine()?.reaches(&data_dir) {
            let elsewhere = make_elsewhere(&home)?;
            tracing::info!(
                "The server's user cannot enter {}: the data is in {}",
                data_dir.display(),
                elsewhere.display()
            );
            symlink(&elsewhere, &home)
        } else {
            make_private_dir(&home)
        };
        match made {
            // Another process was faster; the lock decides between us.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.with_context(|| format!("cannot make {home:?}"))?,
        }
    }
    home.canonicalize()
        .with_context(|| format!("{} leads nowhere: remove it to begin with an empty store", home.display()))
}

/// Makes a directory in [`ELSEWHERE`], named after `home`. The link is what finds it again: when
/// that was removed, the earlier data is neither taken up nor lost.
fn make_elsewhere(home: &Path) -> anyhow::Result<PathBuf> {
    let name = fingerprint(home);
    // Open to the server's user whatever our umask is; what is in it is closed to others.
    fs::create_dir_all(ELSEWHERE)
        .and_then(|()| fs::set_permissions(ELSEWHERE, Permissions::from_mode(0o711)))
        .with_context(|| format!("cannot make {ELSEWHERE}"))?;
    let mut path = Path::new(ELSEWHERE).join(&name);
    for attempt in 2.. {
        match make_private_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                path = Path::new(ELSEWHERE).join(format!("{name}-{attempt}"));
            }
            made => {
                made.with_context(|| format!("cannot make {path:?}"))?;
                break;
            }
        }
    }
    Ok(path)
}

/// The user who owns the home, and so the data; a home of root's is handed over first.
fn adopt(home: &Path) -> anyhow::Result<ServerUser> {
    let user = match ServerUser::owner_of(home)? {
        Some(owner) => owner,
        None => {
            let user = ServerUser::of_this_machine()?;
            user.give(home)?;
            user
        }
    };
    if !user.reaches(home) {
        bail!("user {} owns {} but cannot get there", user.uid(), home.display());
    }
    Ok(user)
}

fn take_lock(home: &Path, user: Option<ServerUser>) -> anyhow::Result<File> {
    let path = home.join("owner.lock");
    let mut file =
        private_file().read(true).open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            file.read_to_string(&mut owner).context("cannot read owner.lock")?;
            bail!("another bodega is using {} (process {})", home.display(), owner.trim());
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    if let Some(user) = user {
        user.give(&path)?;
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// In the home, unless that is too deep for a socket.
fn socket_dir_for(home: &Path) -> PathBuf {
    let inside = home.join("run");
    let socket = inside.join(format!(".s.PGSQL.{}", crate::url::PORT));
    if socket.as_os_str().len() <= LONGEST_SOCKET_PATH {
        inside
    } else {
        Path::new("/tmp").join(format!("bodega-{}", fingerprint(home)))
    }
}

/// Opens for writing, makes when missing, lets nobody else read.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options
}

pub(crate) fn make_private_dir(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// FNV-1a over the path: the same in every release, unlike the standard library's hashes.
fn fingerprint(path: &Path) -> String {
    let hash = path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn a_home_has_one_owner_at_a_time() {
        let dir = TempDir::new("lock").unwrap();
        let home = Home::open(dir.path()).unwrap();
        let refusal = Home::open(dir.path()).err().unwrap().to_string();
        let expected =
            format!("another bodega is using {} (process {})", home.path().display(), std::process::id());
        assert_eq!(refusal, expected);
        drop(home);
        Home::open(dir.path()).unwrap();
    }

    #[test]
    fn a_socket_path_is_never_too_long() {
        let shallow = Path::new("/srv/shop/postgres");
        assert_eq!(socket_dir_for(shallow), shallow.join("run"));
        let deep = PathBuf::from(format!("/{}", "deep/".repeat(30)));
        assert!(socket_dir_for(&deep).as_os_str().len() < 40);
        assert_ne!(socket_dir_for(&deep), socket_dir_for(&deep.join("er")));
    }

    #[test]
    fn a_link_that_leads_nowhere_is_not_an_empty_store() {
        let dir = TempDir::new("link").unwrap();
        symlink("/nonexistent/bodega", dir.path().join("postgres")).unwrap();
        let refusal = Home::open(dir.path()).err().unwrap().to_string();
        assert!(refusal.contains("leads nowhere"), "{refusal}");
    }
}
