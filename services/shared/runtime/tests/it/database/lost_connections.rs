//! Connections that are lost while they are idle, such as by a restart of the server.

use bodega_runtime::database::pool;
use sqlx::{Connection as _, PgConnection};

use super::empty_database;

#[tokio::test]
async fn after_one_lost_connection_the_idle_ones_are_checked_before_their_use() {
    let database = empty_database().await;
    let pool = pool(database.url().parse().unwrap(), 4, "lost");
    let occupy = || sqlx::query("select pg_sleep(0.2)").execute(&pool);
    tokio::try_join!(occupy(), occupy(), occupy(), occupy()).unwrap();

    let mut other = PgConnection::connect(&database.url()).await.unwrap();
    let terminate = "select count(*) from (
        select pg_terminate_backend(pid, 5000) from pg_stat_activity
        where datname = current_database() and application_name = 'lost') terminated";
    let terminated: i64 = sqlx::query_scalar(terminate).fetch_one(&mut other).await.unwrap();
    assert_eq!(terminated, 4);

    let mut failed = 0;
    for _ in 0..8 {
        failed += u32::from(sqlx::query("select 1").execute(&pool).await.is_err());
    }
    assert!(failed <= 1, "{failed} calls failed");
}
