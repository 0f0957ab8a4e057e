//! Rolling upgrades and rollbacks: this version on the schemas of the next one, which `*.sql` make up.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use bodega::provision::{self, Logins};
use bodega_embedded_postgres::testing::TestDatabase;
use bodega_runtime::database;
use serde_json::json;
use sqlx::{
    AssertSqlSafe, PgPool, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
    postgres::PgConnectOptions,
};

use crate::harness::store::{self, Client, StoreOptions, TestStore};

/// Returns the migrations of the next version of a service.
fn next_version(current: &'static Migrator, sql: &'static str) -> Migrator {
    let version = current.iter().map(|migration| migration.version).max().unwrap() + 1;
    let next = Migration::new(version, "next".into(), MigrationType::Simple, sql.into_sql_str(), false);
    let migrations = current.iter().cloned().chain([next]).collect();
    Migrator {
        migrations: Cow::Owned(migrations),
        table_name: current.table_name.clone(),
        create_schemas: current.create_schemas.clone(),
        ..Migrator::DEFAULT
    }
}

/// Migrates as `bodega migrate` of the next version does.
async fn migrate_to_next_version(owner: &PgConnectOptions) {
    for (schema, current, sql) in [
        (bodega_identity::SCHEMA, &bodega_identity::MIGRATOR, include_str!("identity.sql")),
        (bodega_catalog::SCHEMA, &bodega_catalog::MIGRATOR, include_str!("catalog.sql")),
        (bodega_cart::SCHEMA, &bodega_cart::MIGRATOR, include_str!("cart.sql")),
        (bodega_order::SCHEMA, &bodega_order::MIGRATOR, include_str!("orders.sql")),
    ] {
        database::migrate(owner, schema, &next_version(current, sql)).await.unwrap();
    }
}

/// Registers, lists, searches, buys, cancels and leaves.
async fn shop(guest: &Client, name: &str, product: i64) {
    let body = json!({"name": name, "email": store::email_of(name), "password": store::PASSWORD});
    let session = guest.post("/api/auth/register", body).await.expect(201).json;
    let customer = guest.clone().signed_in(session);
    for path in ["", "?q=mug", "?minPrice=5&maxPrice=50", "?sort=price&limit=5"] {
        customer.get(&format!("/api/products{path}")).await.expect(200);
    }
    customer.get(&format!("/api/products/{product}")).await.expect(200);
    customer.add_to_cart(product, 2).await.expect(200);
    customer.get("/api/cart").await.expect(200);
    let order = customer.place_order().await.expect(201).json;
    let path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    customer.get(&path).await.expect(200);
    customer.buy(product, 1).await;
    customer.get("/api/orders").await.expect(200);
    customer.get("/api/users/me").await.expect(200);
}

async fn is_at_next_version(database: &TestDatabase) -> bool {
    let db = PgPool::connect(&database.url()).await.unwrap();
    let query = "select count(*) from information_schema.columns
        where (table_schema, table_name, column_name) in (('catalog', 'product_view', 'sku'), ('orders', 'orders', 'channel'))";
    sqlx::query_scalar::<_, i64>(query).fetch_one(&db).await.unwrap() == 2
}

/// No request fails, and no order is lost.
#[tokio::test]
async fn runs_before_during_and_after_the_migration_to_the_next_version() {
    let database = store::database().await;
    let owner: PgConnectOptions = database.url().parse().unwrap();
    let old = TestStore::start_on(owner.clone(), StoreOptions::default()).await;
    let mug = old.admin().create_product("Mug", "19.99", 5000).await;
    shop(old.guest(), "before", mug).await;

    // The connections of the running store have prepared all statements on the old schemas.
    let (migrated, shopped) = (AtomicBool::new(false), AtomicU32::new(0));
    let shopping = async {
        while !migrated.load(Ordering::Relaxed) {
            let number = shopped.fetch_add(1, Ordering::Relaxed);
            shop(old.guest(), &format!("during{number}"), mug).await;
        }
    };
    let migrating = async {
        migrate_to_next_version(&owner).await;
        migrated.store(true, Ordering::Relaxed);
    };
    tokio::join!(shopping, migrating);
    assert!(shopped.load(Ordering::Relaxed) > 0 && is_at_next_version(&database).await);
    shop(old.guest(), "after", mug).await;

    // A process of this version that is started again, beside the one that has been running.
    provision::migrate(&Logins::shared(&owner)).await.unwrap();
    let restarted = TestStore::start_on(owner.clone(), StoreOptions::default()).await;
    tokio::join!(shop(old.guest(), "mixed1", mug), shop(restarted.guest(), "mixed2", mug));

    // The next version writes its columns; after a rollback this version reads and changes the rows.
    let writes = "update catalog.products set sku = 'MUG-' || id;
        update orders.orders set channel = 'app';
        update cart.carts set note = 'a note';
        update identity.users set nickname = name";
    let db = PgPool::connect(&database.url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(writes.to_owned())).execute(&db).await.unwrap();
    old.stop().await;
    shop(restarted.guest(), "rollback", mug).await;
    restarted.admin().patch(&format!("/api/products/{mug}"), json!({"stock": 100})).await.expect(200);
    restarted.stop().await;
    store::verify(&owner).await;
}

/// What removes or changes something that the previous version uses belongs to a later release, and says so.
#[test]
fn migrations_only_add_unless_they_are_marked_as_a_contraction() {
    const CONTRACTING: [&str; 9] = [
        "drop column",
        "drop table",
        "drop view",
        "drop function",
        "drop trigger",
        "drop constraint",
        " rename ",
        "set not null",
        " type ",
    ];
    let services = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services");
    let mut checked = 0;
    for service in ["identity", "catalog", "cart", "order"] {
        for entry in std::fs::read_dir(services.join(service).join("migrations")).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("0001_") {
                continue;
            }
            checked += 1;
            let mut is_marked = false;
            for line in std::fs::read_to_string(&path).unwrap().to_lowercase().lines() {
                is_marked |= line.starts_with("-- contract:");
                let statement = line.split("--").next().unwrap();
                let changes_type = statement.contains("alter column");
                for words in CONTRACTING.into_iter().filter(|words| *words != " type " || changes_type) {
                    assert!(is_marked || !statement.contains(words), "{}: {line}", path.display());
                }
            }
        }
    }
    assert!(checked >= 4, "{checked}");
}
