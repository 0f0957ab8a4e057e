//! Migration of a schema.

use bodega_runtime::database::{IncompatibleSchema, migrate};
use sqlx::{
    SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
    postgres::PgConnectOptions,
};

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
async fn rejects_a_schema_of_a_newer_version() {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    migrate(&options, "shop", &migrator(&[TABLE, COLUMN])).await.unwrap();
    let error = migrate(&options, "shop", &migrator(&[TABLE])).await.unwrap_err();
    assert!(error.to_string().contains("migration 2"), "{error}");
}
