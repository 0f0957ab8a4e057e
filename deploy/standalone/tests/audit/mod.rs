//! The audit log: its list, its chain of segments, erasure and retention.

mod api;
mod chain;
mod erasure;
mod failed_logins;
mod retention;
mod schema;

use std::time::Duration;

use bodega_embedded_postgres::testing::TestDatabase;
use bodega_runtime::database::Pool;
use sqlx::{AssertSqlSafe, Row as _, postgres::PgRow};

use crate::harness::store;

/// A migrated database without a running store.
async fn database() -> (TestDatabase, Pool) {
    let database = store::database().await;
    let db = Pool::new(database.url().parse().unwrap(), 4, Duration::from_secs(30));
    (database, db)
}

/// Executes statements as the owner, without triggers.
async fn without_triggers(database: &TestDatabase, statements: &str) {
    let db = sqlx::PgPool::connect(&database.url()).await.unwrap();
    let statements = format!("set session_replication_role = replica; {statements}");
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&db).await.unwrap();
}

async fn verify(database: &TestDatabase) {
    store::verify(&database.url().parse().unwrap()).await;
}

/// The first column of each row.
async fn texts(db: &Pool, query: &'static str) -> Vec<String> {
    sqlx::query(query).try_map(|row: PgRow| row.try_get(0)).fetch_all(db).await.unwrap()
}
