//! Databases for tests.

use std::sync::atomic::{AtomicUsize, Ordering};

use bodega_embedded_postgres::testing;
use sqlx::{Connection, PgConnection, PgPool};

/// Fills the template, and leaves a pool open behind it, as migrations may.
async fn one_row(url: String) -> anyhow::Result<()> {
    let pool = PgPool::connect(&url).await?;
    sqlx::raw_sql("create table things (n bigint); insert into things values (1)").execute(&pool).await?;
    std::mem::forget(pool.acquire().await?);
    Ok(())
}

async fn things(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select count(*) from things").fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_template_is_filled_once_and_its_copies_are_apart() {
    static FILLED: AtomicUsize = AtomicUsize::new(0);
    let prepare = async |url| {
        FILLED.fetch_add(1, Ordering::Relaxed);
        one_row(url).await
    };
    let (one, other) = tokio::join!(testing::database("apart", prepare), testing::database("apart", prepare));
    assert_eq!(FILLED.load(Ordering::Relaxed), 1);

    let mut one = PgConnection::connect(&one.url()).await.unwrap();
    let mut other = PgConnection::connect(&other.url()).await.unwrap();
    sqlx::raw_sql("insert into things values (2)").execute(&mut one).await.unwrap();
    assert_eq!(things(&mut one).await, 2);
    assert_eq!(things(&mut other).await, 1);
}

#[tokio::test]
async fn a_failed_preparation_is_tried_again() {
    let failing = tokio::spawn(testing::database("flaky", async |url| {
        one_row(url).await?;
        anyhow::bail!("the migration is wrong")
    }));
    assert!(failing.await.unwrap_err().is_panic());
    let database = testing::database("flaky", one_row).await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    assert_eq!(things(&mut connection).await, 1);
}

#[tokio::test]
async fn a_role_comes_in_without_a_password_and_with_its_own_rights() {
    let database = testing::database("roles", async |url: String| {
        one_row(url.clone()).await?;
        let mut connection = PgConnection::connect(&url).await?;
        sqlx::raw_sql("create role visitor login").execute(&mut connection).await?;
        Ok(())
    })
    .await;
    let mut visitor = PgConnection::connect(&database.url_as("visitor")).await.unwrap();
    let user: String = sqlx::query_scalar("select current_user::text").fetch_one(&mut visitor).await.unwrap();
    assert_eq!(user, "visitor");
    sqlx::query("select n from things").fetch_all(&mut visitor).await.unwrap_err();
}
