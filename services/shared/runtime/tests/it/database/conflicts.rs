//! Transactions that conflict with each other.

use std::time::Duration;

use bodega_runtime::database::{IsConflict as _, Pool, pool, retry_on_conflict};
use tokio::time::sleep;

use super::empty_database;

/// Increments two counters slowly, in this order. Two transactions in opposite order deadlock.
async fn increment(db: &Pool, order: [i32; 2]) -> sqlx::Result<()> {
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

async fn counters() -> (bodega_embedded_postgres::testing::TestDatabase, Pool) {
    let database = empty_database().await;
    let db = pool(database.url().parse().unwrap(), 4, "test");
    sqlx::query("insert into public.counters (id, count) values (1, 0), (2, 0)").execute(&db).await.unwrap();
    (database, db)
}

#[tokio::test]
async fn a_deadlock_is_a_conflict() {
    let (_database, db) = counters().await;
    let (one, other) = tokio::join!(increment(&db, [1, 2]), increment(&db, [2, 1]));
    let errors = [one, other].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(errors.len() == 1 && errors[0].is_conflict(), "{errors:?}");
}

#[tokio::test]
async fn retries_the_whole_transaction_after_a_conflict() {
    let (_database, db) = counters().await;
    let (one, other) = tokio::join!(
        retry_on_conflict(|| increment(&db, [1, 2])),
        retry_on_conflict(|| increment(&db, [2, 1])),
    );
    one.and(other).unwrap();
    let counts: Vec<i32> =
        sqlx::query_scalar("select count from public.counters").fetch_all(&db).await.unwrap();
    assert_eq!(counts, [2, 2]);
}

#[tokio::test]
async fn returns_other_errors_without_a_retry() {
    let (_database, db) = counters().await;
    let mut attempts = 0;
    let result = retry_on_conflict(|| {
        attempts += 1;
        sqlx::query("insert into public.counters (id, count) values (1, 0)").execute(&db)
    });
    assert!(!result.await.unwrap_err().is_conflict());
    assert_eq!(attempts, 1);
}
