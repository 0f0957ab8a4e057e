//! Queries about the database's own activity.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};

/// Connects directly, not through the proxy.
pub(super) async fn connect(url: &str) -> anyhow::Result<PgConnection> {
    PgConnection::connect(url).await.context("cannot connect to the database")
}

/// Blocks all reads of users, products, carts and orders until [`unlock_tables`] or the end of the connection.
pub(super) async fn lock_tables(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(
        "begin;
         set local lock_timeout = '5s';
         lock table identity.users, catalog.products, cart.carts, orders.orders in access exclusive mode",
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn unlock_tables(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("rollback").execute(db).await?;
    Ok(())
}

/// Counts the connections that wait for a lock, by application name (`bodega-cart`).
pub(super) async fn waiting_for_locks(db: &mut PgConnection) -> sqlx::Result<Vec<(String, i64)>> {
    sqlx::query_as(
        "select application_name, count(*) from pg_catalog.pg_stat_activity
         where application_name like 'bodega-%' and wait_event_type = 'Lock'
         group by application_name",
    )
    .fetch_all(db)
    .await
}

/// Counts the services' queries that have been running for at least `duration`.
pub(super) async fn count_queries_running_for(
    db: &mut PgConnection,
    duration: Duration,
) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "select count(*) from pg_catalog.pg_stat_activity
         where application_name like 'bodega-%' and state = 'active'
           and query_start <= clock_timestamp() - make_interval(secs => $1)",
    )
    .bind(duration.as_secs_f64())
    .fetch_one(db)
    .await
}
