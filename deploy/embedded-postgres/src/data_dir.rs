//! The directory of a cluster: its files, its owner and its lock.
//!
//! ```text
//! <data_dir>/postgres/      0700, owned by the server's user; or a link to /var/lib/bodega/<name>
//!     data/                 PGDATA
//!     data.new/             a cluster that initdb has not completed
//!     run/                  the socket
//!     owner.lock            locked by the process that runs the cluster
//!     superuser.password    0600
//!     postgres.log          0600
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::user::{ServerUser, is_root};

/// Holds clusters whose data directory the server's user cannot enter.
const SYSTEM_DIR: &str = "/var/lib/bodega";

/// A socket's path holds at most 103 bytes on macOS (107 on Linux).
const MAX_SOCKET_PATH: usize = 103;

/// A cluster's directory, locked until dropped.
pub(crate) struct DataDir {
    pub(crate) path: PathBuf,
    pub(crate) socket_dir: PathBuf,
    /// The user to run the server as; `None` when this process is not root.
    pub(crate) user: Option<ServerUser>,
    lock: File,
}

impl DataDir {
    /// Locks `parent/postgres`, creating it when missing.
    ///
    /// # Errors
    /// When another process has locked it, or it cannot be created or entered.
    pub(crate) fn open(parent: &Path) -> anyhow::Result<DataDir> {
        let path = find_or_create(parent)?;
        let user = if is_root() { Some(server_user_of(&path)?) } else { None };
        let lock = lock(&path, user)?;
        let socket_dir = socket_dir_for(&path);
        Ok(DataDir { path, socket_dir, user, lock })
    }

    pub(crate) fn pgdata(&self) -> PathBuf {
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

    /// Returns the major version of Postgres that created the data; `None` when there is no data.
    pub(crate) fn version(&self) -> anyhow::Result<Option<u32>> {
        let file = self.pgdata().join("PG_VERSION");
        match fs::read_to_string(&file) {
            Ok(text) => {
                Ok(Some(text.trim().parse().with_context(|| format!("invalid version in {file:?}"))?))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {file:?}")),
        }
    }

    /// Makes the server's user the owner of `path`.
    pub(crate) fn chown(&self, path: &Path) -> anyhow::Result<()> {
        self.user.map_or(Ok(()), |user| user.chown(path))
    }

    /// Replaces the socket directory by an empty one: a killed server leaves its socket and its lock file in it.
    pub(crate) fn recreate_socket_dir(&self) -> anyhow::Result<()> {
        let directory = &self.socket_dir;
        // Outside of the data directory, another user may have created it. In a sticky directory removing it would fail,
        // but not for root.
        let owners = [Some(rustix::process::geteuid().as_raw()), self.user.map(ServerUser::uid)];
        match fs::symlink_metadata(directory) {
            Ok(found) if owners.contains(&Some(found.uid())) => {
                fs::remove_dir_all(directory).with_context(|| format!("cannot remove {directory:?}"))?;
            }
            Ok(_) => bail!("{} belongs to another user", directory.display()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {directory:?}")),
        }
        create_private_dir(directory).with_context(|| format!("cannot create {directory:?}"))?;
        self.chown(directory)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // Empty unless the server still runs.
        if !self.socket_dir.starts_with(&self.path) {
            let _ = fs::remove_dir(&self.socket_dir);
        }
        // Closing the file is not enough: a child that another thread is forking at this moment holds a copy of it until
        // its exec.
        let _ = self.lock.unlock();
    }
}

/// Returns `parent/postgres` with links resolved; creates it, or a link to a directory in [`SYSTEM_DIR`], when missing.
fn find_or_create(parent: &Path) -> anyhow::Result<PathBuf> {
    create_data_dir(parent).with_context(|| format!("cannot create {parent:?}"))?;
    let parent = parent.canonicalize().with_context(|| format!("cannot resolve {parent:?}"))?;
    let path = parent.join("postgres");
    if let Err(error) = fs::symlink_metadata(&path) {
        if error.kind() != ErrorKind::NotFound {
            return Err(error).with_context(|| format!("cannot read {path:?}"));
        }
        let created = if is_root() && !ServerUser::default_user()?.can_enter(&parent) {
            let target = create_in_system_dir()?;
            let (parent, directory) = (parent.display(), target.display());
            tracing::info!("the server's user cannot enter {parent}, storing the data in {directory}");
            symlink(&target, &path)
        } else {
            create_private_dir(&path)
        };
        match created {
            // Another process created it first; the lock decides.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => created.with_context(|| format!("cannot create {path:?}"))?,
        }
    }
    path.canonicalize().with_context(|| {
        format!("{} links to a missing directory: remove it to start with an empty database", path.display())
    })
}

/// Creates the data directory and its parents, unless they exist. Only their owner can list them; if that is root, the server's
/// user can enter them.
///
/// # Errors
/// When it cannot be created.
pub fn create_data_dir(path: &Path) -> io::Result<()> {
    let missing: Vec<_> = path.ancestors().take_while(|path| !path.exists()).collect();
    fs::create_dir_all(path)?;
    let mode = if is_root() { 0o711 } else { 0o700 };
    // An empty path is the working directory, in which a relative path begins.
    missing
        .into_iter()
        .filter(|path| !path.as_os_str().is_empty())
        .try_for_each(|path| fs::set_permissions(path, Permissions::from_mode(mode)))
}

/// Creates a directory in [`SYSTEM_DIR`] with a random name: only the link leads to the data. Without the link, the data is
/// neither used nor lost.
fn create_in_system_dir() -> anyhow::Result<PathBuf> {
    // The server's user must be able to enter it, whatever the umask is; the clusters in it are private.
    fs::create_dir_all(SYSTEM_DIR)
        .and_then(|()| fs::set_permissions(SYSTEM_DIR, Permissions::from_mode(0o711)))
        .with_context(|| format!("cannot create {SYSTEM_DIR}"))?;
    let path = Path::new(SYSTEM_DIR).join(format!("{:016x}", rand::random::<u64>()));
    create_private_dir(&path).with_context(|| format!("cannot create {path:?}"))?;
    Ok(path)
}

/// Returns the owner of the directory. The default user becomes the owner of a directory that belongs to root.
fn server_user_of(path: &Path) -> anyhow::Result<ServerUser> {
    let user = match ServerUser::owner_of(path)? {
        Some(owner) => owner,
        None => {
            let user = ServerUser::default_user()?;
            user.chown(path)?;
            user
        }
    };
    if !user.can_enter(path) {
        bail!("user {} owns {} but cannot enter it", user.uid(), path.display());
    }
    Ok(user)
}

fn lock(directory: &Path, user: Option<ServerUser>) -> anyhow::Result<File> {
    let path = directory.join("owner.lock");
    let mut file =
        private_file().read(true).open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid).context("cannot read owner.lock")?;
            bail!("another bodega is using {} (process {})", directory.display(), pid.trim());
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    if let Some(user) = user {
        user.chown(&path)?;
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// Returns a directory inside `directory`, or in `/tmp` if that path is too long for a socket.
fn socket_dir_for(directory: &Path) -> PathBuf {
    let inside = directory.join("run");
    let socket = inside.join(format!(".s.PGSQL.{}", crate::url::PORT));
    if socket.as_os_str().len() <= MAX_SOCKET_PATH {
        inside
    } else {
        Path::new("/tmp").join(format!("bodega-{:016x}", path_hash(directory)))
    }
}

/// Returns options that create a file that only its owner can read, and open it for writing.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options
}

fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Returns the FNV-1a hash: unlike the hashes of the standard library, the same in every release.
fn path_hash(path: &Path) -> u64 {
    path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn is_locked_by_one_owner_at_a_time() {
        let dir = TempDir::new("lock").unwrap();
        let data_dir = DataDir::open(dir.path()).unwrap();
        let error = DataDir::open(dir.path()).err().unwrap().to_string();
        let expected =
            format!("another bodega is using {} (process {})", data_dir.path.display(), std::process::id());
        assert_eq!(error, expected);
        drop(data_dir);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn creates_private_directories_and_leaves_existing_ones() {
        let dir = TempDir::new("private").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        let before = mode(dir.path());
        let (parent, data) = (dir.path().join("new"), dir.path().join("new/data"));
        create_data_dir(&data).unwrap();
        create_data_dir(&data).unwrap();
        let expected = if is_root() { 0o711 } else { 0o700 };
        assert_eq!((mode(dir.path()), mode(&parent), mode(&data)), (before, expected, expected));
    }

    #[test]
    fn keeps_socket_paths_within_the_limit() {
        let shallow = Path::new("/srv/shop/postgres");
        assert_eq!(socket_dir_for(shallow), shallow.join("run"));
        let deep = PathBuf::from(format!("/{}", "deep/".repeat(30)));
        assert!(socket_dir_for(&deep).as_os_str().len() < 40);
        assert_ne!(socket_dir_for(&deep), socket_dir_for(&deep.join("er")));
    }

    #[test]
    fn rejects_a_dangling_link() {
        let dir = TempDir::new("link").unwrap();
        symlink("/nonexistent/bodega", dir.path().join("postgres")).unwrap();
        let error = DataDir::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("links to a missing directory"), "{error}");
    }
}
