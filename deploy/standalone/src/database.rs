//! The store's database: a given one, an embedded one, or the embedded one of another running `bodega`.

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

use anyhow::{Context as _, bail};
use bodega_embedded_postgres::Cluster;
use bodega_runtime::database::{DatabaseArgs, IncompatibleSchema, Pool};
use sqlx::postgres::PgConnectOptions;
use tracing::info;

use crate::{
    database_urls::DatabaseUrls,
    provision::{self, Logins, Passwords},
    secrets::Secrets,
};

/// Name of the embedded database.
const NAME: &str = "bodega";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The file with the URL of the running embedded server, for other `bodega` commands. A file from before a crash is
/// harmless, because its server no longer responds.
const URL_FILE: &str = "running.url";

/// The store's database. Must be [closed](Database::close).
pub struct Database {
    owners: Logins,
    is_behind_pooler: bool,
    /// The embedded server, and its URL file.
    cluster: Option<(Cluster, PathBuf)>,
}

impl Database {
    /// Connects to the databases of `urls` and `args`, or starts the embedded one in `data_dir`.
    ///
    /// # Errors
    /// When another `bodega` uses `data_dir`, and when Postgres cannot be started.
    pub async fn open(urls: &DatabaseUrls, args: &DatabaseArgs, data_dir: &Path) -> anyhow::Result<Self> {
        if let Some(owners) = urls.options(args)? {
            for (service, owner) in owners.by_database() {
                let variables = match service {
                    None => "DATABASE_URL (or DB_HOST, DB_NAME …)".to_owned(),
                    Some(service) => {
                        format!("BODEGA_{}_DATABASE_URL, or DATABASE_URL", service.to_uppercase())
                    }
                };
                connect(owner).await.context(variables)?.close().await;
            }
            return Ok(Self { owners, is_behind_pooler: args.db_pooler, cluster: None });
        }
        let cluster = Cluster::start(bodega_embedded_postgres::Options::durable(data_dir)).await?;
        let url_file = data_dir.join(URL_FILE);
        write_url(&cluster, &url_file).with_context(|| format!("cannot write {}", url_file.display()))?;
        let server = PgConnectOptions::from_str(&cluster.superuser_url("postgres"))?;
        provision::database(&server, NAME).await.context("cannot create the database")?;
        let owners = Logins::shared(&server.database(NAME));
        Ok(Self { owners, is_behind_pooler: false, cluster: Some((cluster, url_file)) })
    }

    /// Like [`Database::open`], but connects to the database of a running `bodega` that uses `data_dir`.
    ///
    /// # Errors
    /// As [`Database::open`], and when the running database cannot be reached.
    pub async fn open_or_join(
        urls: &DatabaseUrls,
        args: &DatabaseArgs,
        data_dir: &Path,
    ) -> anyhow::Result<Self> {
        let error = match Self::open(urls, args, data_dir).await {
            Ok(database) => return Ok(database),
            Err(error) => error,
        };
        match running_database(data_dir).await {
            Some(owner) => {
                info!("using the database of the running bodega in {}", data_dir.display());
                Ok(Self { owners: Logins::shared(&owner), is_behind_pooler: false, cluster: None })
            }
            None => Err(error),
        }
    }

    /// Connection options of the owners of the schemas.
    pub fn owners(&self) -> &Logins {
        &self.owners
    }

    /// Applies the migrations of all services, or waits for them behind a pooler: they need a direct connection.
    ///
    /// # Errors
    /// When the database fails, and when an incompatible version of `bodega` created the schemas.
    pub async fn migrate(&self, data_dir: &Path) -> anyhow::Result<()> {
        if self.is_behind_pooler {
            return provision::wait_until_migrated(&self.owners).await;
        }
        let Err(error) = provision::migrate(&self.owners).await else { return Ok(()) };
        match error.downcast_ref::<IncompatibleSchema>() {
            Some(IncompatibleSchema { schema, version, .. }) if self.cluster.is_some() => bail!(
                "data directory {} was created by an incompatible version of bodega (migration {version} of schema \
                 {schema} differs): move it away, or set another BODEGA_DATA_DIR (or --data-dir)",
                data_dir.display()
            ),
            _ => Err(error),
        }
    }

    /// Returns the connection options of the services. In the embedded database, each service has a role of its own, which
    /// this creates; a given database is used with the given role. The schemas must exist.
    ///
    /// # Errors
    /// When the database fails, or the secrets cannot be read or written.
    pub async fn logins(&self, data_dir: &Path) -> anyhow::Result<Logins> {
        if self.cluster.is_none() {
            if self.is_behind_pooler {
                provision::check_roles(&self.owners).await?;
            }
            return Ok(self.owners.clone());
        }
        let passwords = Secrets::open(data_dir)?.database_passwords;
        self.create_roles(&passwords).await?;
        Ok(Logins::separate(&self.owners, &passwords))
    }

    /// Creates or updates the services' roles. The schemas must exist.
    ///
    /// # Errors
    /// When the database fails, or the owner may not create roles.
    pub async fn create_roles(&self, passwords: &Passwords) -> anyhow::Result<()> {
        provision::roles(&self.owners, passwords).await.context("cannot create the services' roles")
    }

    /// Restarts the embedded server whenever it exits, while this future is polled. Its address stays the same.
    pub async fn keep_running(&self) -> Infallible {
        match &self.cluster {
            Some((cluster, _)) => cluster.keep_running().await,
            None => future::pending().await,
        }
    }

    /// Stops the embedded server, if this process started it.
    ///
    /// # Errors
    /// When the server had to be killed.
    pub async fn close(self) -> anyhow::Result<()> {
        match self.cluster {
            Some((cluster, url_file)) => {
                fs::remove_file(&url_file)
                    .with_context(|| format!("cannot remove {}", url_file.display()))?;
                cluster.stop().await
            }
            None => Ok(()),
        }
    }
}

/// Connects to the database, with a pool of one connection for the use of a command.
///
/// # Errors
/// When the database does not respond.
pub(crate) async fn connect(options: &PgConnectOptions) -> anyhow::Result<Pool> {
    let db = Pool::new(options.clone(), 1, CONNECT_TIMEOUT);
    db.acquire().await.context("cannot connect to the database")?;
    Ok(db)
}

fn write_url(cluster: &Cluster, url_file: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600);
    file.open(url_file)?.write_all(cluster.superuser_url(NAME).as_bytes())
}

/// Returns the connection options of the running embedded database, if it responds.
async fn running_database(data_dir: &Path) -> Option<PgConnectOptions> {
    let url = fs::read_to_string(data_dir.join(URL_FILE)).ok()?;
    let owner = PgConnectOptions::from_str(&url).ok()?;
    connect(&owner).await.ok()?.close().await;
    Some(owner)
}
