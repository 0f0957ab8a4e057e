//! What the database says of those who use it. The only file here that speaks SQL.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};

/// Connects past everything that may be broken.
///
/// # Errors
/// When there is no database.
pub(super) async fn connect(url: &str) -> anyhow::Result<PgConnection> {
    PgConnection::connect(url).await.context("no database")
}

/// Holds up whoever reads accounts, products, carts or orders, until the connection is closed or [`let_go`] is called.
///
/// # Errors
/// When others do not let go of them within five seconds.
pub(super) async fn hold_up(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(
        "begin;
         set local lock_timeout = '5s';
         lock table identity.users, catalog.products, cart.carts, orders.orders in access exclusive mode",
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lets everybody go on.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn let_go(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("rollback").execute(db).await?;
    Ok(())
}

/// How many connections of each service wait for a lock now, by its name: `bodega-cart`.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn held_up(db: &mut PgConnection) -> sqlx::Result<Vec<(String, i64)>> {
    sqlx::query_as(
        "select application_name, count(*) from pg_catalog.pg_stat_activity
         where application_name like 'bodega-%' and wait_event_type = 'Lock'
         group by application_name",
    )
    .fetch_all(db)
    .await
}

/// How many queries of services run that have run for at least so long.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn count_running(db: &mut PgConnection, time: Duration) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "select count(*) from pg_catalog.pg_stat_activity
         where application_name like 'bodega-%' and state = 'active'
           and query_start <= clock_timestamp() - make_interval(secs => $1)",
    )
    .bind(time.as_secs_f64())
    .fetch_one(db)
    .await
}
