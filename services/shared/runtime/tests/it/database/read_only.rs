//! A server that accepts connections but no writes, as a primary that has become a standby.

use bodega_embedded_postgres::testing::TestDatabase;
use bodega_runtime::database::{Pool, pool};
use sqlx::{Connection as _, PgConnection};

use super::empty_database;

/// A pool of one connection, to a database that was read-only when it connected and is not any more.
async fn start() -> (TestDatabase, Pool) {
    let database = empty_database().await;
    let mut control = PgConnection::connect(&database.url()).await.unwrap();
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&mut control).await.unwrap();
    let set = |value: &str| {
        sqlx::AssertSqlSafe(format!(r#"alter database "{name}" set default_transaction_read_only = {value}"#))
    };
    sqlx::raw_sql(set("on")).execute(&mut control).await.unwrap();
    let db = pool(database.url().parse().unwrap(), 1, "test");
    drop(db.acquire().await.unwrap());
    sqlx::raw_sql(set("off")).execute(&mut control).await.unwrap();
    (database, db)
}

fn is_read_only(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("25006"))
}

const INSERT: &str = "insert into public.counters (id, count) values (1, 0)";

#[tokio::test]
async fn a_connection_to_a_read_only_server_is_closed_after_a_statement() {
    let (_database, db) = start().await;
    let error = sqlx::query(INSERT).execute(&db).await.unwrap_err();
    assert!(is_read_only(&error), "{error}");
    sqlx::query(INSERT).execute(&db).await.unwrap();
}

#[tokio::test]
async fn a_connection_to_a_read_only_server_is_closed_after_a_transaction() {
    let (_database, db) = start().await;
    let mut transaction = db.begin().await.unwrap();
    let error = sqlx::query(INSERT).execute(&mut *transaction).await.unwrap_err();
    assert!(is_read_only(&error), "{error}");
    drop(transaction);
    let mut transaction = db.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
}
