//! Migration of a schema.

use std::time::Duration;

use bodega_runtime::database::{IncompatibleSchema, migrate};
use sqlx::{
    PgPool, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
    postgres::PgConnectOptions,
};
use tokio::time::{sleep, timeout};

use super::empty_database;

/// A migrator for the schema `shop`, with one migration for each statement.
fn migrator(statements: &[&'static str]) -> Migrator {
    let migrations = statements.iter().zip(1..).map(|(sql, version)| {
        Migration::new(version, "test".into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name("shop._sqlx_migrations");
    migrator.create_schema("shop");
    migrator
}

const TABLE: &str = "create table shop.products (id int primary key)";
const OTHER_COLUMN: &str = "alter table shop.products add column price int";
const COLUMN: &str = "alter table shop.products add column name text";
const OTHER_TABLE: &str = "create table shop.products (product_id int primary key)";

#[tokio::test]
async fn applies_pending_migrations_once() {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    for migrator in [migrator(&[TABLE]), migrator(&[TABLE, COLUMN]), migrator(&[TABLE, COLUMN])] {
        migrate(&options, "shop", &migrator).await.unwrap();
    }
}

#[tokio::test]
async fn rejects_a_schema_of_another_baseline() {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    migrate(&options, "shop", &migrator(&[OTHER_TABLE, COLUMN])).await.unwrap();

    for migrator in [migrator(&[TABLE]), migrator(&[TABLE, COLUMN])] {
        let error = migrate(&options, "shop", &migrator).await.unwrap_err();
        let line = format!("{error:#}");
        let schema = error.downcast::<IncompatibleSchema>().unwrap();
        assert_eq!((schema.schema.as_str(), schema.version), ("shop", 1));
        let name = options.get_database().unwrap();
        assert!(line.contains("schema shop") && line.contains(name) && !line.contains('\n'), "{line}");
    }
}

#[tokio::test]
async fn tolerates_a_schema_of_a_newer_version() {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    for statements in [&[TABLE, COLUMN][..], &[TABLE], &[TABLE, COLUMN]] {
        migrate(&options, "shop", &migrator(statements)).await.unwrap();
    }
}

#[tokio::test]
async fn rejects_a_newer_schema_of_another_baseline() {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    migrate(&options, "shop", &migrator(&[TABLE, COLUMN])).await.unwrap();
    let mut gap = migrator(&[TABLE, COLUMN, OTHER_COLUMN]);
    gap.migrations.to_mut().remove(1);
    let error = migrate(&options, "shop", &gap).await.unwrap_err();
    assert!(error.to_string().contains("migration 2"), "{error}");
    let error = migrate(&options, "shop", &migrator(&[OTHER_TABLE])).await.unwrap_err();
    assert_eq!(error.downcast::<IncompatibleSchema>().unwrap().version, 1);
}

/// Otherwise all statements on the table would queue behind the migration.
#[tokio::test]
async fn a_migration_that_waits_for_a_lock_gives_way_and_is_retried() {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    migrate(&options, "shop", &migrator(&[TABLE])).await.unwrap();
    let db = PgPool::connect_with(options.clone()).await.unwrap();
    let mut reader = db.begin().await.unwrap();
    sqlx::query("select from shop.products").execute(&mut *reader).await.unwrap();

    let newer = migrator(&[TABLE, COLUMN]);
    let migrating = migrate(&options, "shop", &newer);
    let observing = async {
        let waiting =
            "select count(*) from pg_locks where not granted and relation = 'shop.products'::regclass";
        let started = std::time::Instant::now();
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&db).await.unwrap() == 0 {
            assert!(started.elapsed() < Duration::from_secs(10), "the migration does not wait for a lock");
            sleep(Duration::from_millis(10)).await;
        }
        timeout(Duration::from_secs(5), sqlx::query("select from shop.products").execute(&db))
            .await
            .expect("a reader that queued behind the migration continues")
            .unwrap();
        reader.rollback().await.unwrap();
    };
    let (migrated, ()) = tokio::join!(migrating, observing);
    migrated.unwrap();
    sqlx::query("select name from shop.products").execute(&db).await.unwrap();
}

/// A statement of the running services takes the same locks in another order.
#[tokio::test]
async fn a_migration_in_a_deadlock_gives_way_and_is_retried() {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let tables =
        "create table shop.products (id int primary key); create table shop.orders (id int primary key)";
    migrate(&options, "shop", &migrator(&[tables])).await.unwrap();
    let db = PgPool::connect_with(options.clone()).await.unwrap();
    let mut other = db.begin().await.unwrap();
    sqlx::query("select from shop.orders").execute(&mut *other).await.unwrap();

    let newer = migrator(&[
        tables,
        "alter table shop.products add column name text; select pg_sleep(0.5); alter table shop.orders add column note text",
    ]);
    // Before the migration has waited for a lock for too long.
    let options = options.options([("deadlock_timeout", "100ms")]);
    let migrating = migrate(&options, "shop", &newer);
    let conflicting = async {
        let locked = "select count(*) from pg_locks
                      where granted and mode = 'AccessExclusiveLock' and relation = 'shop.products'::regclass";
        let started = std::time::Instant::now();
        while sqlx::query_scalar::<_, i64>(locked).fetch_one(&db).await.unwrap() == 0 {
            assert!(started.elapsed() < Duration::from_secs(10), "the migration has not started");
            sleep(Duration::from_millis(10)).await;
        }
        sqlx::query("select from shop.products").execute(&mut *other).await.unwrap();
        other.rollback().await.unwrap();
    };
    let (migrated, ()) = tokio::join!(migrating, conflicting);
    migrated.unwrap();
    sqlx::query("select note from shop.orders").execute(&db).await.unwrap();
}
