//! SQL statements that Postgres has executed.

use std::{fs, path::Path};

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

const EXTENSION: &str = "pg_stat_statements";

/// Matches the statements of this module.
const OWN: &str = "pg_stat_statements|pg_snapshot_xmax|pg_extension";

/// Numbers of a database server so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Statements {
    /// Statements other than those of `transactions`; `None` without `pg_stat_statements`.
    pub(crate) statements: Option<f64>,
    /// BEGIN, COMMIT, ROLLBACK and SAVEPOINT; `None` without `pg_stat_statements`.
    pub(crate) transaction_control: Option<f64>,
    /// Transactions that wrote something, also if they consist of one statement.
    pub(crate) writes: f64,
}

impl Statements {
    pub(crate) async fn read(database_url: &str) -> anyhow::Result<Self> {
        let mut db = PgConnection::connect(database_url).await?;
        // Every transaction that writes gets the next number.
        let writes: String = sqlx::query_scalar("select pg_snapshot_xmax(pg_current_snapshot())::text")
            .fetch_one(&mut db)
            .await?;
        let mut read = Self { writes: writes.parse()?, ..Self::default() };
        if is_loaded(&mut db).await? {
            let (control, all): (f64, f64) = sqlx::query_as(AssertSqlSafe(format!(
                "select coalesce(sum(calls) filter (where query ~* '^(begin|commit|rollback|savepoint|release)'), 0)::float8,
                        coalesce(sum(calls), 0)::float8
                 from {EXTENSION} where dbid = (select oid from pg_database where datname = current_database()) and query !~ '{OWN}'"
            )))
            .fetch_one(&mut db)
            .await?;
            read.transaction_control = Some(control);
            read.statements = Some(all - control);
        }
        db.close().await?;
        Ok(read)
    }
}

impl std::ops::Sub for Statements {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        let difference = |now: Option<f64>, then: Option<f64>| Some(now? - then?);
        Self {
            statements: difference(self.statements, before.statements),
            transaction_control: difference(self.transaction_control, before.transaction_control),
            writes: self.writes - before.writes,
        }
    }
}

async fn is_loaded(db: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from pg_extension where extname = $1)")
        .bind(EXTENSION)
        .fetch_one(db)
        .await
}

/// Configures a server, for its next start, to count statements. Does nothing if it was installed without
/// `pg_stat_statements`.
pub(crate) async fn preload(database_url: &str, data_dir: &Path) -> anyhow::Result<()> {
    let mut db = PgConnection::connect(database_url).await?;
    let is_available: bool =
        sqlx::query_scalar("select exists (select from pg_available_extensions where name = $1)")
            .bind(EXTENSION)
            .fetch_one(&mut db)
            .await?;
    db.close().await?;
    if is_available {
        let path = data_dir.join("postgres/data/postgresql.conf");
        let mut settings = fs::read_to_string(&path).with_context(|| format!("cannot read {path:?}"))?;
        settings.push_str(&format!("\nshared_preload_libraries = '{EXTENSION}'\n"));
        fs::write(&path, settings).with_context(|| format!("cannot write {path:?}"))?;
    }
    Ok(())
}

/// Starts to count the statements of a server that was [configured](preload).
pub(crate) async fn start_counting(database_url: &str) -> anyhow::Result<()> {
    let mut db = PgConnection::connect(database_url).await?;
    let preloaded: String =
        sqlx::query_scalar("select current_setting('shared_preload_libraries')").fetch_one(&mut db).await?;
    if preloaded.contains(EXTENSION) {
        sqlx::query(AssertSqlSafe(format!("create extension if not exists {EXTENSION}")))
            .execute(&mut db)
            .await?;
    }
    db.close().await?;
    Ok(())
}
