//! A service reaches the rows of its own schema, and nothing else.

use sqlx::PgConnection;

use crate::harness::store::Shop;

const SERVICES: [(&str, &str, &str); 4] = [
    ("bodega_identity", "identity", "identity.users"),
    ("bodega_catalog", "catalog", "catalog.products"),
    ("bodega_cart", "cart", "cart.carts"),
    ("bodega_order", "orders", "orders.orders"),
];

/// The SQLSTATE that a statement is refused with.
async fn refused(db: &mut PgConnection, statement: String) -> Option<String> {
    let error = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(db).await.err()?;
    Some(error.as_database_error().expect("the database refuses").code().expect("with a code").into_owned())
}

const PERMISSION_DENIED: &str = "42501";

#[tokio::test]
async fn a_service_reads_its_own_rows_and_nobody_elses() {
    let shop = Shop::start().await;
    for (role, own, _) in SERVICES {
        let mut db = shop.sql_as(role).await;
        for (_, schema, table) in SERVICES {
            let expected = (schema != own).then(|| PERMISSION_DENIED.to_owned());
            assert_eq!(refused(&mut db, format!("select from {table}")).await, expected, "{role}, {table}");
        }
    }
}

/// Those of the first migration, and of every other.
#[tokio::test]
async fn a_service_reaches_every_table_and_view_of_its_schema() {
    let shop = Shop::start().await;
    let db = shop.sql().await;
    for (role, schema, _) in SERVICES {
        let out_of_reach: Vec<String> = sqlx::query_scalar(
            "select c.relname::text
             from pg_class c
             where c.relnamespace = $2::regnamespace
               and c.relkind in ('r', 'v', 'S')
               and c.relname <> '_sqlx_migrations'
               and not case c.relkind
                   when 'S' then has_sequence_privilege($1, c.oid, 'usage')
                   else has_table_privilege($1, c.oid, 'select') and has_table_privilege($1, c.oid, 'insert')
                       and has_table_privilege($1, c.oid, 'update') and has_table_privilege($1, c.oid, 'delete')
               end",
        )
        .bind(role)
        .bind(schema)
        .fetch_all(&db)
        .await
        .unwrap();
        assert_eq!(out_of_reach, Vec::<String>::new(), "{role}");
    }
}

#[tokio::test]
async fn a_service_changes_rows_and_no_schema() {
    let shop = Shop::start().await;
    for (role, schema, table) in SERVICES {
        let mut db = shop.sql_as(role).await;
        assert_eq!(refused(&mut db, format!("delete from {table} where false")).await, None, "{role}");
        for statement in [
            format!("create table {schema}.loot ()"),
            format!("alter table {table} add column loot text"),
            format!("drop table {table}"),
            format!("truncate {table}"),
            format!("delete from {schema}._sqlx_migrations"),
            "create table public.loot ()".to_owned(),
            "create schema loot".to_owned(),
            "create role loot".to_owned(),
        ] {
            let refusal = refused(&mut db, statement.clone()).await;
            assert_eq!(refusal.as_deref(), Some(PERMISSION_DENIED), "{role}: {statement}");
        }
    }
}

#[tokio::test]
async fn a_table_of_a_later_migration_is_open_to_its_service_alone() {
    let shop = Shop::start().await;
    let later =
        "create table cart.later (id bigint generated always as identity primary key, serial bigserial)";
    sqlx::raw_sql(later).execute(&shop.sql().await).await.unwrap();

    let mut cart = shop.sql_as("bodega_cart").await;
    assert_eq!(refused(&mut cart, "insert into cart.later default values".to_owned()).await, None);
    let mut order = shop.sql_as("bodega_order").await;
    assert_eq!(
        refused(&mut order, "select from cart.later".to_owned()).await.as_deref(),
        Some(PERMISSION_DENIED)
    );
}
