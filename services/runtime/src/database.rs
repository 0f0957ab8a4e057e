//! The database: where it is, its pool, its migrations.

use std::time::Duration;

use anyhow::{Context as _, bail};
use sqlx::{
    AssertSqlSafe, PgPool, Postgres, Transaction,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::info;

/// How long a call waits for a connection before it gives up.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(4);

/// Where the database is: as one URL, or piece by piece.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DatabaseArgs {
    /// The database, as `postgres://user:password@host:port/name`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Host of the database, instead of a URL
    #[arg(long, env = "DB_HOST")]
    pub db_host: Option<String>,
    /// Port of the database
    #[arg(long, env = "DB_PORT")]
    pub db_port: Option<u16>,
    /// Name of the database
    #[arg(long, env = "DB_NAME")]
    pub db_name: Option<String>,
    /// Role to connect as
    #[arg(long, env = "DB_USER")]
    pub db_user: Option<String>,
    /// Password of the role
    #[arg(long, env = "DB_PASSWORD", hide_env_values = true)]
    pub db_password: Option<String>,
    /// Connections that each service keeps at most
    #[arg(long, env = "BODEGA_DB_CONNECTIONS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub db_connections: u32,
}

impl DatabaseArgs {
    /// Where to connect to; `None` when nothing was said.
    ///
    /// # Errors
    /// When the URL is none, naming the variable.
    pub fn options(&self) -> anyhow::Result<Option<PgConnectOptions>> {
        if let Some(url) = &self.database_url {
            // The driver itself would take any scheme.
            let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
            let options = url.parse().ok().filter(|_| is_postgres);
            return options.map(Some).context("DATABASE_URL is not postgres://user:password@host:port/name");
        }
        if self.db_host.is_none() && self.db_name.is_none() {
            return Ok(None);
        }
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(self.db_host.as_deref().unwrap_or("localhost"))
            .port(self.db_port.unwrap_or(5432));
        if let Some(name) = &self.db_name {
            options = options.database(name);
        }
        if let Some(user) = &self.db_user {
            options = options.username(user);
        }
        if let Some(password) = &self.db_password {
            options = options.password(password);
        }
        Ok(Some(options))
    }

    /// Where to connect to, for a process that cannot do without.
    ///
    /// # Errors
    /// As [`DatabaseArgs::options`], and when nothing was said.
    pub fn required(&self) -> anyhow::Result<PgConnectOptions> {
        self.options()?.context("DATABASE_URL is missing: set it to postgres://user:password@host:port/name")
    }
}

/// A pool of at most `connections`, whose statements end after 5 s.
///
/// Connects when it is first used: a database that is down makes calls fail, not the start.
pub fn pool(options: PgConnectOptions, connections: u32, name: &str) -> PgPool {
    let options = options
        .application_name(&format!("bodega-{name}"))
        .options([("statement_timeout", "5s"), ("idle_in_transaction_session_timeout", "10s")]);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options)
}

/// Begins a transaction.
///
/// Handlers are dropped wherever they stand when their caller goes away. A beginning that is dropped half-way would give
/// its connection back to the pool with a transaction open that nobody knows of, and whatever was written on it
/// afterwards would be answered, and lost; so beginnings are always carried out.
///
/// # Errors
/// The database's.
pub async fn begin(db: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    let db = db.clone();
    #[expect(clippy::disallowed_methods, reason = "this is the way it is allowed")]
    let begun = tokio::spawn(async move { db.begin().await });
    begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// Brings `schema` to the state that `migrator` holds, if it is not there yet.
///
/// A service's own role may not change its schema: then the owner runs the migrations, and this only finds that
/// nothing is left to do.
///
/// # Errors
/// When a migration fails, or is pending and may not be run.
pub async fn migrate(options: &PgConnectOptions, schema: &str, migrator: &Migrator) -> anyhow::Result<()> {
    let db = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    let applied = applied(&db, schema).await.unwrap_or_default();
    let wanted: Vec<i64> = migrator.iter().map(|migration| migration.version).collect();
    if wanted != applied {
        if let Some(unknown) = applied.iter().find(|version| !wanted.contains(version)) {
            bail!(
                "schema {schema} has migration {unknown}, which this version does not know: run a newer one"
            );
        }
        migrator
            .run(&db)
            .await
            .with_context(|| format!("cannot migrate schema {schema}: run `bodega migrate` as its owner"))?;
        info!("Migrated schema {schema}");
    }
    db.close().await;
    Ok(())
}

async fn applied(db: &PgPool, schema: &str) -> sqlx::Result<Vec<i64>> {
    // The schema is one of four constants of ours.
    let query = format!("select version from {schema}._sqlx_migrations where success order by version");
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(db).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> anyhow::Result<Option<PgConnectOptions>> {
        DatabaseArgs { database_url: Some(text.to_owned()), ..DatabaseArgs::default() }.options()
    }

    #[test]
    fn a_url_of_another_kind_is_refused_without_being_shown() {
        assert!(url("postgres://ada:hunter2@localhost/shop").unwrap().is_some());
        for bad in ["mysql://ada:hunter2@localhost/shop", "hunter2", "postgres://ada:hunter2@host:port/shop"]
        {
            let refusal = format!("{:#}", url(bad).unwrap_err());
            assert!(refusal.starts_with("DATABASE_URL") && !refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn a_database_may_be_said_piece_by_piece_or_not_at_all() {
        let pieces = DatabaseArgs { db_name: Some("shop".to_owned()), ..DatabaseArgs::default() };
        let options = pieces.options().unwrap().unwrap();
        assert_eq!((options.get_host(), options.get_database()), ("localhost", Some("shop")));
        assert!(DatabaseArgs::default().options().unwrap().is_none());
        assert!(DatabaseArgs::default().required().is_err());
    }
}
