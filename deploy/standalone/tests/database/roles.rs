//! The role of a service can read and write the rows of its own schema, and nothing else. It carries the settings of the
//! planner.

use sqlx::PgConnection;

use crate::harness::store::TestStore;

const SERVICES: [(&str, &str, &str); 4] = [
    ("bodega_identity", "identity", "identity.users"),
    ("bodega_catalog", "catalog", "catalog.products"),
    ("bodega_cart", "cart", "cart.carts"),
    ("bodega_order", "orders", "orders.orders"),
];

/// Executes a statement; returns the SQLSTATE if it fails.
async fn error_code(db: &mut PgConnection, statement: String) -> Option<String> {
    let error = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(db).await.err()?;
    Some(error.as_database_error().expect("a database error").code().expect("an SQLSTATE").into_owned())
}

const PERMISSION_DENIED: &str = "42501";

#[tokio::test]
async fn a_role_reads_only_its_own_schema() {
    let store = TestStore::start().await;
    for (role, own, _) in SERVICES {
        let mut db = store.sql_as(role).await;
        for (_, schema, table) in SERVICES {
            let expected = (schema != own).then(|| PERMISSION_DENIED.to_owned());
            assert_eq!(
                error_code(&mut db, format!("select from {table}")).await,
                expected,
                "{role}, {table}"
            );
        }
    }
}

/// Tables, views and sequences of all migrations.
#[tokio::test]
async fn a_role_can_use_every_table_of_its_schema() {
    let store = TestStore::start().await;
    let db = store.sql().await;
    for (role, schema, _) in SERVICES {
        let inaccessible: Vec<String> = sqlx::query_scalar(
            "select c.relname::text
             from pg_class c
             where c.relnamespace = $2::regnamespace
               and c.relkind in ('r', 'v', 'S')
               and c.relname <> '_sqlx_migrations'
               and c.relname not in ('audit_events', 'audit_segments', 'audit_pseudonyms')
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
        assert_eq!(inaccessible, Vec::<String>::new(), "{role}");
    }
}

#[tokio::test]
async fn a_role_can_only_read_and_insert_rows_of_the_audit_log() {
    let store = TestStore::start().await;
    store.admin().create_product("Mug", "19.99", 5).await;
    for (role, schema) in
        [("bodega_identity", "identity"), ("bodega_catalog", "catalog"), ("bodega_order", "orders")]
    {
        let mut db = store.sql_as(role).await;
        for table in ["audit_events", "audit_segments", "audit_pseudonyms"] {
            assert_eq!(error_code(&mut db, format!("select from {schema}.{table}")).await, None, "{role}");
            let column = if table == "audit_segments" { "hash" } else { "created_at" };
            for statement in [
                format!("update {schema}.{table} set {column} = {column} where false"),
                format!("delete from {schema}.{table} where false"),
                format!("truncate {schema}.{table}"),
                format!("alter table {schema}.{table} disable trigger user"),
                "set session_replication_role = replica".to_owned(),
            ] {
                let code = error_code(&mut db, statement.clone()).await;
                assert_eq!(code.as_deref(), Some(PERMISSION_DENIED), "{role}: {statement}");
            }
        }
    }
}

#[tokio::test]
async fn a_role_cannot_change_the_schema() {
    let store = TestStore::start().await;
    for (role, schema, table) in SERVICES {
        let mut db = store.sql_as(role).await;
        assert_eq!(error_code(&mut db, format!("delete from {table} where false")).await, None, "{role}");
        for statement in [
            format!("create table {schema}.test_table ()"),
            format!("alter table {table} add column test_column text"),
            format!("drop table {table}"),
            format!("truncate {table}"),
            format!("delete from {schema}._sqlx_migrations"),
            "create table public.test_table ()".to_owned(),
            "create schema test_schema".to_owned(),
            "create role test_role".to_owned(),
        ] {
            let code = error_code(&mut db, statement.clone()).await;
            assert_eq!(code.as_deref(), Some(PERMISSION_DENIED), "{role}: {statement}");
        }
    }
}

#[tokio::test]
async fn tables_of_later_migrations_are_accessible_to_their_role_only() {
    let store = TestStore::start().await;
    let later =
        "create table cart.later (id bigint generated always as identity primary key, serial bigserial)";
    sqlx::raw_sql(later).execute(&store.sql().await).await.unwrap();

    let mut cart = store.sql_as("bodega_cart").await;
    assert_eq!(error_code(&mut cart, "insert into cart.later default values".to_owned()).await, None);
    let mut order = store.sql_as("bodega_order").await;
    assert_eq!(
        error_code(&mut order, "select from cart.later".to_owned()).await.as_deref(),
        Some(PERMISSION_DENIED)
    );
}

#[tokio::test]
async fn the_planner_plans_once_where_values_do_not_matter() {
    let store = TestStore::start().await;
    for (role, _, _) in SERVICES {
        let mut db = store.sql_as(role).await;
        let (plans, jit): (String, String) =
            sqlx::query_as("select current_setting('plan_cache_mode'), current_setting('jit')")
                .fetch_one(&mut db)
                .await
                .unwrap();
        let expected = if role == "bodega_catalog" { "auto" } else { "force_generic_plan" };
        assert_eq!((plans.as_str(), jit.as_str()), (expected, "off"), "{role}");
    }
}
