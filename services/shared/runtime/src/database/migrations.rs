//! Migration of a schema to the version of this program.
//!
//! A schema may be newer than the program: during a rolling upgrade both versions run, and after a rollback the schema
//! stays. A program works on the schema of its own version and of the next one, so unknown newer migrations are
//! tolerated.

use std::time::Duration;

use anyhow::{Context as _, bail};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::{backoff::Backoff, status};

/// Time limit of an attempt to connect while waiting for the database.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Pause between these attempts.
const CONNECT_INTERVAL: Duration = Duration::from_millis(200);
/// Time for which a rejected login is retried: `bodega migrate`, which creates the role, may be running.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Time limit of a migration's wait for a lock. Statements of the running services queue behind it for that long.
const LOCK_TIMEOUT: (&str, &str) = ("lock_timeout", "1s");
/// Pauses before a migration that could not get its locks is retried.
const LOCK_BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
/// Maximum number of attempts: several minutes.
const LOCK_ATTEMPTS: i32 = 60;

/// Interval at which a service checks whether its schema has been migrated.
const WAIT_INTERVAL: Duration = Duration::from_millis(500);
/// Interval at which it logs that it waits.
const WAIT_LOG_INTERVAL: Duration = Duration::from_secs(30);

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
/// When the database rejects the connection, a login not until 30 s have passed: the role may not exist yet.
pub(crate) async fn wait_until_available(options: &PgConnectOptions) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut has_warned = false;
    loop {
        match timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options)).await {
            Ok(Ok(connection)) => return Ok(connection.close().await?),
            Ok(Err(error)) if is_rejected_login(&error) && started.elapsed() < LOGIN_TIMEOUT => {
                if !std::mem::replace(&mut has_warned, true) {
                    warn!(
                        "waiting for the database, at most {LOGIN_TIMEOUT:?}: {error}: \
                         `bodega migrate` creates the role"
                    );
                }
            }
            Ok(Err(error)) if !status::is_database_unavailable(&error) => return Err(error.into()),
            _ if std::mem::replace(&mut has_warned, true) => {}
            Ok(Err(error)) => warn!("waiting for the database: {error}"),
            Err(_) => warn!("waiting for the database: it does not respond"),
        }
        sleep(CONNECT_INTERVAL).await;
    }
}

/// Applies the pending migrations of `schema`. A migration that waits for a lock for longer than a second is retried, so that
/// it does not block the running services.
///
/// # Errors
/// [`IncompatibleSchema`]; when a migration fails or may not be run.
pub async fn migrate(options: &PgConnectOptions, schema: &str, migrator: &Migrator) -> anyhow::Result<()> {
    for attempt in 1.. {
        let Err(error) = try_migrate(options, schema, migrator).await else { break };
        if attempt == LOCK_ATTEMPTS || !is_conflict(&error) {
            return Err(error);
        }
        let pause = LOCK_BACKOFF.pause(attempt - 1);
        warn!("schema {schema}: the migration conflicts with running statements, retrying in {pause:?}");
        sleep(pause).await;
    }
    Ok(())
}

/// Prepares `schema` for a service: applies its pending migrations if the role may change the schema, and waits until
/// they are applied otherwise.
///
/// # Errors
/// As [`migrate`].
pub(crate) async fn prepare(
    options: &PgConnectOptions,
    schema: &str,
    migrator: &Migrator,
) -> anyhow::Result<()> {
    if may_migrate(options, schema).await? {
        migrate(options, schema, migrator).await
    } else {
        wait_until_migrated(options, schema, migrator).await
    }
}

/// Waits until the owner has applied all known migrations of `schema`.
///
/// # Errors
/// [`IncompatibleSchema`], and when the database rejects the connection.
pub async fn wait_until_migrated(
    options: &PgConnectOptions,
    schema: &str,
    migrator: &Migrator,
) -> anyhow::Result<()> {
    let mut logged_at: Option<Instant> = None;
    loop {
        // The database may be restarted in the meantime.
        match pending_of(options, schema, migrator).await {
            Ok(None) => return Ok(()),
            Ok(Some(version)) => {
                if logged_at.is_none_or(|at| at.elapsed() >= WAIT_LOG_INTERVAL) {
                    warn!("schema {schema}: waiting for migration {version}: run `bodega migrate`");
                    logged_at = Some(Instant::now());
                }
            }
            Err(error) if error.downcast_ref().is_some_and(status::is_database_unavailable) => {}
            Err(error) => return Err(error),
        }
        sleep(WAIT_INTERVAL).await;
    }
}

async fn try_migrate(options: &PgConnectOptions, schema: &str, migrator: &Migrator) -> anyhow::Result<()> {
    // Not closed after an error: it may hold the lock of the migrator.
    let mut db = PgConnection::connect_with(&options.clone().options([LOCK_TIMEOUT])).await?;
    if pending(&mut db, options, schema, migrator).await?.is_some() {
        migrator
            .run(&mut db)
            .await
            .with_context(|| format!("cannot migrate schema {schema}: run `bodega migrate` as its owner"))?;
        info!(schema, "schema migrated");
    }
    Ok(db.close().await?)
}

async fn pending_of(
    options: &PgConnectOptions,
    schema: &str,
    migrator: &Migrator,
) -> anyhow::Result<Option<i64>> {
    let mut db = PgConnection::connect_with(options).await?;
    let pending = pending(&mut db, options, schema, migrator).await?;
    db.close().await?;
    Ok(pending)
}

/// Returns the version of the last migration if any is pending.
///
/// # Errors
/// [`IncompatibleSchema`]; when the schema has an unknown migration, but not all known ones.
async fn pending(
    db: &mut PgConnection,
    options: &PgConnectOptions,
    schema: &str,
    migrator: &Migrator,
) -> anyhow::Result<Option<i64>> {
    let applied = applied(db, schema).await?;
    let known = |version| migrator.iter().find(|migration| migration.version == version);
    for (version, checksum) in &applied {
        if known(*version).is_some_and(|known| *known.checksum != **checksum) {
            let database = options.get_database().unwrap_or_default().to_owned();
            bail!(IncompatibleSchema { schema: schema.to_owned(), database, version: *version });
        }
    }
    let is_applied = |version| applied.iter().any(|(applied, _)| *applied == version);
    let last = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
    let is_pending = migrator.iter().any(|migration| !is_applied(migration.version));
    match applied.last().filter(|(version, _)| known(*version).is_none()) {
        Some((newest, _)) if is_pending || *newest < last => {
            bail!("schema {schema} has migration {newest}, which this version does not know")
        }
        Some((newest, _)) => {
            info!("schema {schema} has migration {newest} of a newer version: this one needs {last}");
        }
        None => {}
    }
    Ok(is_pending.then_some(last))
}

/// The version and checksum of each applied migration; none if the role cannot read them.
async fn applied(db: &mut PgConnection, schema: &str) -> sqlx::Result<Vec<(i64, Vec<u8>)>> {
    // The schema is a constant of a service, never input.
    let query =
        format!("select version, checksum from {schema}._sqlx_migrations where success order by version");
    match sqlx::query_as(AssertSqlSafe(query)).fetch_all(db).await {
        // There is no such table, or no right to read it.
        Err(error) if matches!(sqlstate(&error).as_deref(), Some("42P01" | "42501" | "3F000")) => {
            Ok(Vec::new())
        }
        result => result,
    }
}

/// Returns whether the role may change the schema, or create it.
async fn may_migrate(options: &PgConnectOptions, schema: &str) -> sqlx::Result<bool> {
    let mut db = PgConnection::connect_with(options).await?;
    let may_migrate = sqlx::query_scalar(
        "select case when exists (select from pg_namespace where nspname = $1)
             then has_schema_privilege($1, 'create')
             else has_database_privilege(current_database(), 'create')
         end",
    )
    .bind(schema)
    .fetch_one(&mut db)
    .await?;
    db.close().await?;
    Ok(may_migrate)
}

/// An unknown role, a wrong password, or no right to connect to the database.
fn is_rejected_login(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|code| code.starts_with("28") || code == "42501")
}

/// Returns whether a migration waited too long for a lock or in a deadlock, or another version migrated the schema at the same
/// time.
fn is_conflict(error: &anyhow::Error) -> bool {
    error.chain().any(|error| match error.downcast_ref() {
        Some(MigrateError::VersionMissing(_)) => true,
        _ => error.downcast_ref().and_then(sqlstate).is_some_and(|code| matches!(&*code, "55P03" | "40P01")),
    })
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}
