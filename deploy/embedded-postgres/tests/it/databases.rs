//! Test databases and their templates.

use std::sync::atomic::{AtomicUsize, Ordering};

use bodega_embedded_postgres::testing;
use sqlx::{Connection, PgConnection, PgPool};

/// Fills the template and leaves a connection open, as migrations may.
async fn create_one_item(url: String) -> anyhow::Result<()> {
    let pool = PgPool::connect(&url).await?;
    sqlx::raw_sql("create table items (n bigint); insert into items values (1)").execute(&pool).await?;
    std::mem::forget(pool.acquire().await?);
    Ok(())
}

async fn items(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select count(*) from items").fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_template_is_created_once_and_its_copies_are_independent() {
    static PREPARED: AtomicUsize = AtomicUsize::new(0);
    let prepare = async |url| {
        PREPARED.fetch_add(1, Ordering::Relaxed);
        create_one_item(url).await
    };
    let (one, other) =
        tokio::join!(testing::database("independent", prepare), testing::database("independent", prepare));
    assert_eq!(PREPARED.load(Ordering::Relaxed), 1);

    let mut one = PgConnection::connect(&one.url()).await.unwrap();
    let mut other = PgConnection::connect(&other.url()).await.unwrap();
    sqlx::raw_sql("insert into items values (2)").execute(&mut one).await.unwrap();
    assert_eq!(items(&mut one).await, 2);
    assert_eq!(items(&mut other).await, 1);
}

#[tokio::test]
async fn retries_a_failed_preparation() {
    let failing = tokio::spawn(testing::database("flaky", async |url| {
        create_one_item(url).await?;
        anyhow::bail!("the migration is wrong")
    }));
    assert!(failing.await.unwrap_err().is_panic());
    let database = testing::database("flaky", create_one_item).await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    assert_eq!(items(&mut connection).await, 1);
}

#[tokio::test]
async fn a_role_connects_without_a_password_and_with_its_own_privileges() {
    let database = testing::database("roles", async |url: String| {
        create_one_item(url.clone()).await?;
        let mut connection = PgConnection::connect(&url).await?;
        sqlx::raw_sql("create role visitor login").execute(&mut connection).await?;
        Ok(())
    })
    .await;
    let mut visitor = PgConnection::connect(&database.url_as("visitor")).await.unwrap();
    let user: String = sqlx::query_scalar("select current_user::text").fetch_one(&mut visitor).await.unwrap();
    assert_eq!(user, "visitor");
    sqlx::query("select n from items").fetch_all(&mut visitor).await.unwrap_err();
}
