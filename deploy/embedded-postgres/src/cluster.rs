//! A running cluster, from an empty directory or from what an earlier run left.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::binaries::Binaries;
use crate::home::Home;
use crate::keeper::Keeper;
use crate::{initdb, recovery, url};

/// The role that owns the cluster and may do everything in it.
pub const SUPERUSER: &str = "bodega_owner";

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the cluster lives: in the subdirectory `postgres`, which becomes a link when the
    /// server's user cannot get there (say, below `/root`). Made when missing.
    pub data_dir: PathBuf,
    /// True: what is committed survives a crash, and every role needs its password.
    /// False: nothing is ever flushed to disk, and whoever reaches the socket is trusted.
    pub durable: bool,
}

impl Options {
    /// A cluster whose data is kept.
    pub fn durable(data_dir: impl Into<PathBuf>) -> Options {
        Options { data_dir: data_dir.into(), durable: true }
    }

    /// A cluster for tests: fast, and lost at the first power cut.
    pub fn throw_away(data_dir: impl Into<PathBuf>) -> Options {
        Options { data_dir: data_dir.into(), durable: false }
    }
}

/// A running cluster. Shut down by [`Cluster::stop`], or when it is dropped, or when the process
/// that started it dies, however it dies; open transactions are rolled back then.
pub struct Cluster {
    keeper: Arc<Keeper>,
    home: PathBuf,
    socket_dir: PathBuf,
    superuser_password: Option<String>,
}

impl Cluster {
    /// Starts the cluster and waits until it takes connections. Makes it when `data_dir` is empty;
    /// recovers it when an earlier run was killed. May fetch Postgres when the machine has none.
    ///
    /// # Errors
    /// When another process uses `data_dir`, when there is no Postgres to run, and when the server
    /// does not come up: then with the last lines of its log.
    pub async fn start(options: Options) -> anyhow::Result<Cluster> {
        spawn_blocking(move || {
            let home = Home::open(&options.data_dir)?;
            let binaries = Binaries::obtain(&home)?;
            Cluster::run(binaries, home, options.durable)
        })
        .await?
    }

    pub(crate) fn run(binaries: Binaries, home: Home, durable: bool) -> anyhow::Result<Cluster> {
        recovery::clear(&home)?;
        let superuser_password = initdb::prepare(&binaries, &home, durable)?;
        let (path, socket_dir) = (home.path().to_owned(), home.socket_dir().to_owned());
        let keeper = Arc::new(Keeper::start(binaries, home, durable)?);
        Ok(Cluster { keeper, home: path, socket_dir, superuser_password })
    }

    /// The server's process; none when it was stopped.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.keeper.pid()
    }

    pub(crate) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Starts the server again whenever it ends by itself, within a second or so and at the same
    /// socket, for as long as this is polled. What was committed is there then; open connections
    /// are lost.
    ///
    /// Tries for ever: a server that cannot start today may find room on its disk tomorrow. Says so
    /// in the log.
    pub async fn keep_running(&self) -> Infallible {
        self.keeper.keep_running().await
    }

    /// A URL for sqlx and for psql. It holds the password in clear: not for logs.
    pub fn url(&self, role: &str, password: Option<&str>, database: &str) -> String {
        url::over_socket(self.socket_dir(), role, password, database)
    }

    /// A URL for [`SUPERUSER`], with the password when there is one. `postgres` is the database
    /// that always exists.
    pub fn superuser_url(&self, database: &str) -> String {
        self.url(SUPERUSER, self.superuser_password.as_deref(), database)
    }

    /// Shuts the cluster down: open transactions are rolled back, what is committed is flushed.
    ///
    /// # Errors
    /// When the server had to be killed because it did not shut down in time. Nothing committed
    /// is lost then, but the next start takes longer.
    pub async fn stop(self) -> anyhow::Result<()> {
        spawn_blocking(move || self.keeper.stop()).await?
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.keeper.stop() {
            tracing::warn!("{error:#}");
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("home", &self.home).finish_non_exhaustive()
    }
}
