//! Bringing a schema to the state that this version wants.

use std::time::Duration;

use anyhow::{Context as _, bail};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::status;

/// How long a database may take to answer that it is there, and how soon to ask again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
const ASK_INTERVAL: Duration = Duration::from_millis(200);

/// Waits for a database that is away: it may be starting, as its services are.
///
/// # Errors
/// When it answers, and does not let us in.
pub(crate) async fn wait_until_available(options: &PgConnectOptions) -> anyhow::Result<()> {
    let mut waited = false;
    loop {
        match timeout(ANSWER_TIMEOUT, PgConnection::connect_with(options)).await {
            Ok(Ok(connection)) => return Ok(connection.close().await?),
            Ok(Err(cause)) if !status::is_database_unavailable(&cause) => return Err(cause.into()),
            _ if std::mem::replace(&mut waited, true) => {}
            Ok(Err(cause)) => warn!("Waiting for the database: {cause}"),
            Err(_) => warn!("Waiting for the database: it does not answer"),
        }
        sleep(ASK_INTERVAL).await;
    }
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
