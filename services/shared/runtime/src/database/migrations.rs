//! Migration of a schema to the version of this program.

use std::time::Duration;

use anyhow::{Context as _, bail};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, migrate::Migrator, postgres::PgConnectOptions};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::status;

/// Time limit of an attempt to connect while waiting for the database.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Pause between these attempts.
const CONNECT_INTERVAL: Duration = Duration::from_millis(200);

/// A schema that another baseline of migrations has created: this program's queries do not fit its tables.
#[derive(Debug, thiserror::Error)]
#[error(
    "schema {schema} of database {database} was created by an incompatible version of bodega (migration {version} \
     differs): use an empty database, or the version that created it"
)]
pub struct IncompatibleSchema {
    /// The schema.
    pub schema: String,
    /// The database that contains it.
    pub database: String,
    /// Version of the migration that was applied with other contents.
    pub version: i64,
}

/// Waits for a database that is unavailable: it may be starting at the same time as the services.
///
/// # Errors
/// When the database rejects the connection.
pub(crate) async fn wait_until_available(options: &PgConnectOptions) -> anyhow::Result<()> {
    let mut has_warned = false;
    loop {
        match timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options)).await {
            Ok(Ok(connection)) => return Ok(connection.close().await?),
            Ok(Err(error)) if !status::is_database_unavailable(&error) => return Err(error.into()),
            _ if std::mem::replace(&mut has_warned, true) => {}
            Ok(Err(error)) => warn!("waiting for the database: {error}"),
            Err(_) => warn!("waiting for the database: it does not respond"),
        }
        sleep(CONNECT_INTERVAL).await;
    }
}

/// Applies the pending migrations of `schema`.
///
/// A service's own role may not change its schema: then its owner runs the migrations (`bodega migrate`), and this only
/// checks that none is pending.
///
/// # Errors
/// [`IncompatibleSchema`]; when the schema is of a newer version, or a migration fails or may not be run.
pub async fn migrate(options: &PgConnectOptions, schema: &str, migrator: &Migrator) -> anyhow::Result<()> {
    let mut db = PgConnection::connect_with(options).await?;
    let applied = applied(&mut db, schema).await.unwrap_or_default();
    for (version, checksum) in &applied {
        let Some(known) = migrator.iter().find(|migration| migration.version == *version) else {
            bail!(
                "schema {schema} has migration {version}, which this version does not know: run a newer version"
            );
        };
        if *known.checksum != **checksum {
            let database = options.get_database().unwrap_or_default().to_owned();
            bail!(IncompatibleSchema { schema: schema.to_owned(), database, version: *version });
        }
    }
    if migrator.iter().count() != applied.len() {
        migrator
            .run(&mut db)
            .await
            .with_context(|| format!("cannot migrate schema {schema}: run `bodega migrate` as its owner"))?;
        info!(schema, "schema migrated");
    }
    Ok(db.close().await?)
}

/// The version and checksum of each applied migration.
async fn applied(db: &mut PgConnection, schema: &str) -> sqlx::Result<Vec<(i64, Vec<u8>)>> {
    // The schema is a constant of a service, never input.
    let query =
        format!("select version, checksum from {schema}._sqlx_migrations where success order by version");
    sqlx::query_as(AssertSqlSafe(query)).fetch_all(db).await
}
