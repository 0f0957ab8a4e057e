//! Transactions that the database undoes for the sake of others.

use std::time::Duration;

use bodega_runtime::database::{IsConflict as _, pool, retry_on_conflict};
use sqlx::PgPool;
use tokio::time::sleep;

use super::empty_database;

/// Adds one to two counters, in this order, slowly: two that do it in opposite order wait for each other.
async fn count(db: &PgPool, order: [i32; 2]) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    for id in order {
        sqlx::query("update public.counters set count = count + 1 where id = $1")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        sleep(Duration::from_millis(50)).await;
    }
    transaction.commit().await
}

async fn counters() -> (bodega_embedded_postgres::testing::TestDatabase, PgPool) {
    let database = empty_database().await;
    let db = pool(database.url().parse().unwrap(), 4, "test");
    sqlx::query("insert into public.counters (id, count) values (1, 0), (2, 0)").execute(&db).await.unwrap();
    (database, db)
}

#[tokio::test]
async fn a_deadlock_undoes_one_of_two() {
    let (_database, db) = counters().await;
    let (one, other) = tokio::join!(count(&db, [1, 2]), count(&db, [2, 1]));
    let undone = [one, other].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(undone.len() == 1 && undone[0].is_conflict(), "{undone:?}");
}

#[tokio::test]
async fn what_was_undone_is_done_again_whole() {
    let (_database, db) = counters().await;
    let (one, other) =
        tokio::join!(retry_on_conflict(|| count(&db, [1, 2])), retry_on_conflict(|| count(&db, [2, 1])),);
    one.and(other).unwrap();
    let counts: Vec<i32> =
        sqlx::query_scalar("select count from public.counters").fetch_all(&db).await.unwrap();
    assert_eq!(counts, [2, 2]);
}

#[tokio::test]
async fn another_error_is_told_at_once() {
    let (_database, db) = counters().await;
    let mut tried = 0;
    let outcome = retry_on_conflict(|| {
        tried += 1;
        sqlx::query("insert into public.counters (id, count) values (1, 0)").execute(&db)
    });
    assert!(!outcome.await.unwrap_err().is_conflict());
    assert_eq!(tried, 1);
}
