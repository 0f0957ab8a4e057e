//! What the pool sends to the server: nothing when a clean connection returns.

use bodega_runtime::database::{Pool, pool};
use sqlx::postgres::PgConnectOptions;
use tokio::time::{Duration, sleep};

use super::{empty_database, proxy::Proxy};

/// Bind, execute, close the portal, sync: one round trip.
const STATEMENT: &str = "BECS";
/// One simple query.
const SIMPLE: &str = "Q";

/// A pool of one connection, with two rows in the table.
async fn start() -> (bodega_embedded_postgres::testing::TestDatabase, Proxy, Pool) {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let proxy = Proxy::start(&options).await;
    let db = pool(proxy.options(&options), 1, "test");
    for id in [1, 2] {
        insert(&db, id).await.unwrap();
    }
    (database, proxy, db)
}

async fn insert(db: &Pool, id: i32) -> sqlx::Result<()> {
    let insert = sqlx::query("insert into public.counters (id, count) values ($1, 0)").bind(id);
    insert.execute(db).await.map(drop)
}

async fn backend(db: &Pool) -> i32 {
    sqlx::query_scalar("select pg_backend_pid()").fetch_one(db).await.unwrap()
}

/// Returns the types of the messages sent since the last call. Waits for those of background checks.
async fn sent(proxy: &Proxy) -> String {
    sleep(Duration::from_millis(100)).await;
    proxy.take_messages()
}

#[tokio::test]
async fn a_clean_connection_returns_without_a_round_trip() {
    let (_database, proxy, db) = start().await;
    let read = || sqlx::query_scalar::<_, i32>("select id from public.counters order by id");
    read().fetch_all(&db).await.unwrap();
    sent(&proxy).await;

    assert_eq!(read().fetch_all(&db).await.unwrap(), [1, 2]);
    assert_eq!(sent(&proxy).await, STATEMENT);
    assert_eq!(read().fetch_optional(&db).await.unwrap(), Some(1));
    assert_eq!(sent(&proxy).await, STATEMENT);
    insert(&db, 3).await.unwrap();
    assert_eq!(sent(&proxy).await, STATEMENT);

    let mut transaction = db.begin().await.unwrap();
    assert_eq!(read().fetch_all(&mut *transaction).await.unwrap(), [1, 2, 3]);
    transaction.commit().await.unwrap();
    assert_eq!(sent(&proxy).await, [SIMPLE, STATEMENT, SIMPLE].concat());

    let transaction = db.begin_with("begin; set local lock_timeout = '50ms'").await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(sent(&proxy).await, [SIMPLE, SIMPLE].concat());

    drop(db.acquire().await.unwrap());
    assert_eq!(sent(&proxy).await, "");
}

#[tokio::test]
async fn a_connection_whose_statement_failed_is_checked_and_used_again() {
    let (_database, proxy, db) = start().await;
    let before = backend(&db).await;
    sent(&proxy).await;
    insert(&db, 1).await.unwrap_err();
    assert_eq!(sent(&proxy).await, [STATEMENT, SIMPLE].concat());
    assert_eq!(backend(&db).await, before);
}

#[tokio::test]
async fn a_transaction_that_failed_is_rolled_back_and_its_connection_is_used_again() {
    let (_database, proxy, db) = start().await;
    let before = backend(&db).await;
    sent(&proxy).await;
    let failed = async {
        let mut transaction = db.begin().await?;
        for id in [3, 1] {
            let insert = sqlx::query("insert into public.counters (id, count) values ($1, 0)").bind(id);
            insert.execute(&mut *transaction).await?;
        }
        transaction.commit().await
    };
    failed.await.unwrap_err();
    assert_eq!(sent(&proxy).await, [SIMPLE, STATEMENT, STATEMENT, SIMPLE].concat());
    assert_eq!(backend(&db).await, before);
    let rows: i64 = sqlx::query_scalar("select count(*) from public.counters").fetch_one(&db).await.unwrap();
    assert_eq!(rows, 2);
}

#[tokio::test]
async fn a_connection_that_was_idle_is_checked_before_its_use() {
    let (_database, proxy, db) = start().await;
    backend(&db).await;
    sleep(Duration::from_millis(1_100)).await;
    sent(&proxy).await;
    backend(&db).await;
    assert_eq!(sent(&proxy).await, ["S", STATEMENT].concat());
}
