//! A running database cluster.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::binaries::Binaries;
use crate::data_dir::DataDir;
use crate::supervisor::Supervisor;
use crate::{initdb, recovery, url};

/// The superuser role; it owns the cluster.
pub const SUPERUSER: &str = "bodega_owner";

/// The cluster to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Parent directory; the cluster is in its subdirectory `postgres`. Created when missing. When the server's user
    /// cannot enter it (for example below `/root`), the subdirectory is a link to a directory in `/var/lib/bodega`.
    pub data_dir: PathBuf,
    /// `true`: committed data survives a crash, and every role needs its password.
    /// `false`: nothing is flushed to disk, and any client of the socket is trusted.
    pub durable: bool,
}

impl Options {
    /// Returns the options of a cluster whose data is kept.
    pub fn durable(data_dir: impl Into<PathBuf>) -> Options {
        Options { data_dir: data_dir.into(), durable: true }
    }

    /// Returns the options of a cluster for tests: fast, not crash-safe.
    pub fn throwaway(data_dir: impl Into<PathBuf>) -> Options {
        Options { data_dir: data_dir.into(), durable: false }
    }
}

/// A running cluster. [`Cluster::stop`], dropping it and the end of this process each shut it down; open transactions
/// are rolled back.
pub struct Cluster {
    supervisor: Arc<Supervisor>,
    directory: PathBuf,
    socket_dir: PathBuf,
    superuser_password: Option<String>,
}

impl Cluster {
    /// Starts the cluster and waits until it accepts connections. Creates it in an empty `data_dir`, recovers it after a
    /// crash, and downloads Postgres when it is not installed.
    ///
    /// # Errors
    /// When another process uses `data_dir`, when there is no Postgres, and when the server does not start (with the last
    /// lines of its log).
    pub async fn start(options: Options) -> anyhow::Result<Cluster> {
        spawn_blocking(move || {
            let data_dir = DataDir::open(&options.data_dir)?;
            let binaries = Binaries::find_or_download(&data_dir)?;
            Cluster::run(binaries, data_dir, options.durable)
        })
        .await?
    }

    pub(crate) fn run(binaries: Binaries, data_dir: DataDir, durable: bool) -> anyhow::Result<Cluster> {
        recovery::clean_up(&data_dir)?;
        let superuser_password = initdb::prepare(&binaries, &data_dir, durable)?;
        let (directory, socket_dir) = (data_dir.path.clone(), data_dir.socket_dir.clone());
        let supervisor = Arc::new(Supervisor::start(binaries, data_dir, durable)?);
        Ok(Cluster { supervisor, directory, socket_dir, superuser_password })
    }

    /// Returns the process id of the server, or `None` if it was stopped.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.supervisor.pid()
    }

    pub(crate) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Restarts the server whenever it exits, within about a second and on the same socket, for as long as this future is
    /// polled. Committed data survives; open connections do not. Failed restarts are logged and retried without limit.
    pub async fn keep_running(&self) -> Infallible {
        self.supervisor.keep_running().await
    }

    /// Returns a connection URL for sqlx or psql. It contains the password: do not log it.
    pub fn url(&self, role: &str, password: Option<&str>, database: &str) -> String {
        url::over_socket(self.socket_dir(), role, password, database)
    }

    /// Returns the URL for [`SUPERUSER`], with its password. The database `postgres` always exists.
    pub fn superuser_url(&self, database: &str) -> String {
        self.url(SUPERUSER, self.superuser_password.as_deref(), database)
    }

    /// Shuts the cluster down: open transactions are rolled back, committed data is flushed.
    ///
    /// # Errors
    /// When the server did not shut down in time and was killed. Committed data is safe; the next start takes longer.
    pub async fn stop(self) -> anyhow::Result<()> {
        spawn_blocking(move || self.supervisor.stop()).await?
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.supervisor.stop() {
            tracing::warn!("the Postgres server was not shut down cleanly: {error:#}");
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("directory", &self.directory).finish_non_exhaustive()
    }
}
