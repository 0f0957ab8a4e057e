//! Where the store's data is: in a database that was given to us, in a cluster of our own, or in one that another
//! `bodega` runs right now.

use std::{
    convert::Infallible,
    fs::{self, OpenOptions},
    future,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use anyhow::Context as _;
use bodega_embedded_postgres::Cluster;
use bodega_runtime::database::DatabaseArgs;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::info;

use crate::{
    provision::{self, Logins},
    secrets::Secrets,
};

/// The store's database in a cluster of our own.
const NAME: &str = "bodega";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How another `bodega` gets to the cluster that this one runs: its superuser's URL, without a database. It is of use
/// only while the cluster's lock is held, so that one left by a crash does no harm.
const RUNNING: &str = "running.url";

/// The store's database. To be [closed](Database::close).
pub struct Database {
    owner: PgConnectOptions,
    /// The cluster that runs for us, and the file that says how to join it.
    cluster: Option<(Cluster, PathBuf)>,
}

impl Database {
    /// The database that `args` name, or else the one in `data_dir`, whose cluster is started.
    ///
    /// # Errors
    /// When another `bodega` has opened `data_dir`, and when there is no Postgres to run.
    pub async fn open(args: &DatabaseArgs, data_dir: &Path) -> anyhow::Result<Self> {
        if let Some(owner) = args.options()? {
            connect(&owner).await.context("DATABASE_URL (or DB_HOST, DB_NAME …)")?.close().await;
            return Ok(Self { owner, cluster: None });
        }
        let cluster = Cluster::start(bodega_embedded_postgres::Options::durable(data_dir)).await?;
        let announcement = data_dir.join(RUNNING);
        announce(&cluster, &announcement)
            .with_context(|| format!("cannot write {}", announcement.display()))?;
        let server = PgConnectOptions::from_str(&cluster.superuser_url("postgres"))?;
        provision::database(&server, NAME).await.context("cannot make the database")?;
        Ok(Self { owner: server.database(NAME), cluster: Some((cluster, announcement)) })
    }

    /// As [`Database::open`]; but where a `bodega` has opened `data_dir`, its running cluster is used.
    ///
    /// # Errors
    /// As [`Database::open`], and when that cluster cannot be reached.
    pub async fn open_or_join(args: &DatabaseArgs, data_dir: &Path) -> anyhow::Result<Self> {
        let refusal = match Self::open(args, data_dir).await {
            Ok(database) => return Ok(database),
            Err(refusal) => refusal,
        };
        match join(data_dir).await {
            Some(owner) => {
                info!("Joined the bodega that runs on {}", data_dir.display());
                Ok(Self { owner, cluster: None })
            }
            None => Err(refusal),
        }
    }

    /// How its owner connects.
    pub fn owner(&self) -> &PgConnectOptions {
        &self.owner
    }

    /// How the services get to their schemas, which must be there: in a cluster of our own each as a role that is made
    /// for it now, in a database that was given to us all as the role that it was given with.
    ///
    /// # Errors
    /// When the database refuses, or the secrets cannot be kept.
    pub async fn logins(&self, data_dir: &Path) -> anyhow::Result<Logins> {
        if self.cluster.is_none() {
            return Ok(Logins::shared(&self.owner));
        }
        let passwords = Secrets::open(data_dir)?.database_passwords;
        provision::roles(&self.owner, &passwords).await.context("cannot make the services' roles")?;
        Ok(Logins::separate(&self.owner, &passwords))
    }

    /// Starts a cluster of our own again whenever its server ends by itself, for as long as this is polled. Connections
    /// are lost then; where they lead to stays the same.
    pub async fn keep_running(&self) -> Infallible {
        match &self.cluster {
            Some((cluster, _)) => cluster.keep_running().await,
            None => future::pending().await,
        }
    }

    /// Lets go of it; a cluster that was started for us stops.
    ///
    /// # Errors
    /// When the cluster had to be killed.
    pub async fn close(self) -> anyhow::Result<()> {
        match self.cluster {
            Some((cluster, announcement)) => {
                fs::remove_file(&announcement)
                    .with_context(|| format!("cannot remove {}", announcement.display()))?;
                cluster.stop().await
            }
            None => Ok(()),
        }
    }
}

/// A pool for a command's own use, of one connection that is there.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn connect(options: &PgConnectOptions) -> anyhow::Result<PgPool> {
    PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_TIMEOUT)
        .connect_with(options.clone())
        .await
        .context("cannot connect to the database")
}

fn announce(cluster: &Cluster, announcement: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600);
    file.open(announcement)?.write_all(cluster.superuser_url(NAME).as_bytes())
}

/// The owner's way into the cluster that was announced, if it answers.
async fn join(data_dir: &Path) -> Option<PgConnectOptions> {
    let url = fs::read_to_string(data_dir.join(RUNNING)).ok()?;
    let owner = PgConnectOptions::from_str(&url).ok()?;
    connect(&owner).await.ok()?.close().await;
    Some(owner)
}
