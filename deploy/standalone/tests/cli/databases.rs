//! `bodega` with a given database: `migrate`, `seed`, `up`.

use std::{fs, net::TcpListener, path::Path};

use bodega_embedded_postgres::testing::{self, TempDir, TestDatabase};
use serde_json::json;
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::process::Command;

use crate::harness::{
    binary::{error_of, stdout_of},
    process::{self, Running},
    store::Client,
};

/// The database settings as lines of a `.env` file.
fn environment(database: &TestDatabase) -> Vec<(&'static str, String)> {
    let options: PgConnectOptions = database.url().parse().unwrap();
    vec![
        ("DB_HOST", options.get_socket().unwrap().to_str().unwrap().to_owned()),
        ("DB_PORT", options.get_port().to_string()),
        ("DB_NAME", options.get_database().unwrap().to_owned()),
        ("DB_USER", options.get_username().to_owned()),
        ("DB_PASSWORD", "of a test".to_owned()),
    ]
}

fn bodega(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = process::command(env!("CARGO_BIN_EXE_bodega"));
    command.current_dir(directory).args(arguments);
    command.env("BODEGA_HTTP", "127.0.0.1:0").env("BODEGA_ADMIN_HTTP", "127.0.0.1:0");
    command
}

async fn count(db: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn migrates_seeds_and_serves_a_database_from_an_env_file() {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("env-file").unwrap();
    let lines = environment(&database).into_iter().map(|(name, value)| format!("{name}=\"{value}\"\n"));
    fs::write(dir.path().join(".env"), lines.collect::<String>()).unwrap();
    let db = PgPool::connect(&database.url()).await.unwrap();

    assert_eq!(stdout_of(&mut bodega(dir.path(), &["migrate"])).await, "The database is migrated.\n");
    assert_eq!(count(&db, "select count(*) from catalog.products").await, 0);
    stdout_of(&mut bodega(dir.path(), &["seed"])).await;
    for (query, at_least) in [
        ("select count(*) from catalog.categories", 5),
        ("select count(*) from catalog.products", 60),
        ("select count(*) from catalog.tags", 5),
        ("select count(*) from catalog.product_tags", 60),
        // Known to the planner, without waiting for autovacuum.
        ("select reltuples::bigint from pg_class where oid = 'catalog.products'::regclass", 60),
    ] {
        assert!(count(&db, query).await >= at_least, "{query}");
    }

    let mut up = Running::start(&mut bodega(dir.path(), &[]));
    let line = up.line().await;
    let guest = Client::at(line.strip_prefix("The store is open at ").unwrap_or_else(|| panic!("{line}")));
    let products = guest.get("/api/products?limit=100").await.expect(200);
    let seeded = count(&db, "select count(*) from catalog.products where variant_of is null").await;
    assert_eq!(i64::try_from(products.items().len()).unwrap(), seeded);
    assert!(up.terminate().await.success());
    assert!(!dir.path().join(".bodega/postgres").exists(), "no embedded database");
}

#[tokio::test]
async fn uses_a_database_from_environment_variables() {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("env").unwrap();
    stdout_of(bodega(dir.path(), &["migrate"]).envs(environment(&database))).await;
    stdout_of(bodega(dir.path(), &["migrate"]).envs(environment(&database))).await;
    let db = PgPool::connect(&database.url()).await.unwrap();
    assert_eq!(count(&db, "select count(*) from catalog.products").await, 0);
}

/// The passwords of the services' roles.
fn passwords() -> impl Iterator<Item = (String, String)> {
    let name = |service: &str| format!("BODEGA_{}_DB_PASSWORD", service.to_uppercase());
    ["identity", "catalog", "cart", "order"]
        .into_iter()
        .map(move |service| (name(service), format!("of {service}'s")))
}

#[tokio::test]
async fn migrate_creates_the_roles_of_the_services() {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("roles").unwrap();
    for _ in 0..2 {
        let mut migrate = bodega(dir.path(), &["migrate"]);
        migrate.envs(environment(&database)).envs(passwords());
        let output = "The database is migrated, and the services' roles are up to date.\n";
        assert_eq!(stdout_of(&mut migrate).await, output);
    }
    let db = PgPool::connect(&database.url_as("bodega_cart")).await.unwrap();
    assert_eq!(count(&db, "select count(*) from cart.carts").await, 0);
    assert!(sqlx::query("select from orders.orders").execute(&db).await.is_err());
    assert!(sqlx::query("create table cart.more ()").execute(&db).await.is_err());
    let timeout: String = sqlx::query_scalar("show statement_timeout").fetch_one(&db).await.unwrap();
    assert_eq!(timeout, "1400ms");
}

#[tokio::test]
async fn migrate_creates_the_first_admin_if_its_password_is_set() {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("first-admin").unwrap();
    let db = PgPool::connect(&database.url()).await.unwrap();
    let hashes = async || {
        let hashes =
            "select password_hash from identity.users where email = 'ada@shop.example' and role = 'admin'";
        sqlx::query_scalar::<_, String>(hashes).fetch_all(&db).await.unwrap()
    };
    let migrate = |variables: &[(&str, &str)]| {
        let mut migrate = bodega(dir.path(), &["migrate"]);
        migrate.envs(environment(&database)).envs(variables.iter().copied());
        migrate
    };
    let email = ("BODEGA_ADMIN_EMAIL", "ada@shop.example");
    stdout_of(&mut migrate(&[email])).await;
    assert_eq!(hashes().await.len(), 0, "a generated password would be lost");

    let output = stdout_of(&mut migrate(&[email, ("BODEGA_ADMIN_PASSWORD", "tea at four")])).await;
    assert_eq!(output, "The database is migrated.\n");
    let created = hashes().await;
    assert_eq!(created.len(), 1);
    stdout_of(&mut migrate(&[email, ("BODEGA_ADMIN_PASSWORD", "tea at five")])).await;
    assert_eq!(hashes().await, created, "an existing admin keeps the password");
    assert!(!dir.path().join(".bodega").exists(), "needs no secret of the data directory");
}

#[tokio::test]
async fn migrate_names_the_missing_passwords() {
    let dir = TempDir::new("passwords").unwrap();
    let mut migrate = bodega(dir.path(), &["migrate"]);
    migrate
        .envs(passwords().filter(|(name, _)| !name.contains("_CA")))
        .env("DATABASE_URL", "postgres://nowhere");
    let expected = "error: missing BODEGA_CATALOG_DB_PASSWORD, BODEGA_CART_DB_PASSWORD: \
                    set the passwords of all four roles, or none";
    assert_eq!(error_of(&mut migrate).await, (1, expected.to_owned()));
}

#[tokio::test]
async fn seeded_products_can_be_read_changed_and_deleted() {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("seeded").unwrap();
    stdout_of(bodega(dir.path(), &["seed"]).envs(environment(&database))).await;
    let create = ["admin", "create", "--email", "ada@shop.example", "--password", "tea at four"];
    stdout_of(bodega(dir.path(), &create).envs(environment(&database))).await;

    let admin_address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut up = bodega(dir.path(), &[]);
    let mut up = Running::start(up.envs(environment(&database)).env("BODEGA_ADMIN_HTTP", &admin_address));
    let line = up.line().await;
    let guest = Client::at(line.strip_prefix("The store is open at ").unwrap_or_else(|| panic!("{line}")));
    let login = json!({"email": "ada@shop.example", "password": "tea at four"});
    let ada = guest.clone().signed_in(guest.post("/api/auth/login", login).await.expect(200).json);

    for list in ["categories", "products", "tags"] {
        let rows = guest.get(&format!("/api/{list}?limit=100")).await.expect(200);
        assert_eq!(rows.header("content-type"), "application/json");
        let row = rows.items().last().unwrap();
        let path = format!("/api/{list}/{}", row["id"]);
        assert_eq!(guest.get(&path).await.expect(200).json["name"], row["name"]);
        ada.patch(&path, json!({"name": format!("{} again", row["name"].as_str().unwrap())}))
            .await
            .expect(200);
        ada.delete(&path).await.expect(204);
        guest.get(&path).await.expect(404);
        let body = json!({"name": "new", "price": 1, "stock": 1});
        let body = if list == "products" { body } else { json!({"name": "new"}) };
        ada.post(&format!("/api/{list}"), body).await.expect(201);
    }
    let product = guest.get("/api/products?inStock=true&limit=1").await.items()[0]["id"].as_i64().unwrap();
    ada.buy(product, 1).await;

    let metrics = Client::at(&format!("http://{admin_address}")).get("/metrics").await.expect(200).text;
    assert!(metrics.contains("http_server_duration_seconds"), "{metrics}");
    assert!(guest.get("/metrics").await.status == 404, "not on the public port");
    assert!(up.terminate().await.success());
    assert!(
        stdout_of(bodega(dir.path(), &["verify"]).envs(environment(&database)))
            .await
            .contains("checks passed")
    );
}
