//! The binary `bodega` and its commands.

use std::{
    net::TcpListener,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use bodega_embedded_postgres::testing::{self, TempDir};
use serde_json::json;
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use crate::harness::{
    binary::{bodega, error_of, start_bodega, stdout_of},
    images::{files, png},
    process::{self, Running},
    store::eventually,
};

/// Files in this directory that other users of the machine may read. The test's own lock file is none of them, and Postgres
/// checks its directory itself.
fn readable_by_others(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let own = entries.filter(|path| !path.ends_with("in-use") && !path.ends_with("postgres"));
    own.flat_map(|path| match path.is_dir() {
        true => [vec![path.clone()], readable_by_others(&path)].concat(),
        false => vec![path],
    })
    .filter(|path| path.metadata().unwrap().mode() & 0o077 != 0)
    .collect()
}

#[tokio::test]
async fn the_first_start_creates_demo_data_and_an_admin() {
    let dir = TempDir::new("up").unwrap();
    let store = start_bodega(&mut bodega(dir.path(), &[])).await;
    assert!(store.product_count().await >= 60);
    let admin = store.admin().await;
    admin.create_product("Lighthouse", "19.99", 1).await;
    admin.set_avatar(&png()).await.expect(200);
    assert!(dir.path().join("media").is_dir());
    assert_eq!(readable_by_others(dir.path()), Vec::<PathBuf>::new());
    assert!(store.process.terminate().await.success());
    assert_eq!(process::processes_on(dir.path()), Vec::<String>::new());

    let again = start_bodega(&mut bodega(dir.path(), &["up"])).await;
    assert_eq!(again.admin_line, "  admin  unchanged; `bodega admin create` creates another");
    let found = again.guest.get("/api/products?q=lighthouse").await.expect(200).json;
    assert_eq!(found["items"][0]["name"], "Lighthouse");
    assert!(again.process.interrupt().await.success());
    assert_eq!(process::processes_on(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn each_service_connects_with_its_own_role() {
    let dir = TempDir::new("own-roles").unwrap();
    let store = start_bodega(&mut bodega(dir.path(), &["--demo=false"])).await;
    let owner = std::fs::read_to_string(dir.path().join("running.url")).unwrap();
    let mut db = PgConnection::connect(&owner).await.unwrap();
    let connected = "select distinct application_name, usename::text from pg_stat_activity
        where application_name like 'bodega-%' order by 1";
    let connected: Vec<(String, String)> = sqlx::query_as(connected).fetch_all(&mut db).await.unwrap();
    let expected = ["cart", "catalog", "identity", "order"];
    assert_eq!(connected, expected.map(|name| (format!("bodega-{name}"), format!("bodega_{name}"))));
    store.process.terminate().await;
    assert!(!dir.path().join("running.url").exists(), "no running database to connect to");
}

#[tokio::test]
async fn acknowledged_writes_survive_a_kill() {
    let dir = TempDir::new("kill").unwrap();
    let mut up = bodega(dir.path(), &["--demo=false"]);
    let store = start_bodega(
        up.env("BODEGA_ADMIN_EMAIL", "ada@shop.example").env("BODEGA_ADMIN_PASSWORD", "tea at four"),
    )
    .await;
    assert_eq!(store.admin_line, "  admin  ada@shop.example");
    let admin = store.sign_in("ada@shop.example", "tea at four").await;
    let mug = admin.create_product("Mug", "19.99", 5).await;
    admin.add_to_cart(mug, 2).await.expect(200);
    let order = admin.place_order().await.expect(201).json;
    store.process.kill().await;
    process::wait_until_unused(dir.path()).await;

    let again = start_bodega(&mut bodega(dir.path(), &["--demo=false"])).await;
    let admin = again.sign_in("ada@shop.example", "tea at four").await;
    let found = admin.get(&format!("/api/orders/{}", order["id"].as_str().unwrap())).await.expect(200).json;
    assert_eq!(found, order);
    assert_eq!(admin.stock_of(mug).await, 3);
    assert!(stdout_of(&mut bodega(dir.path(), &["verify"])).await.contains("checks passed"));
    assert!(again.process.terminate().await.success());
}

#[tokio::test]
async fn stopping_during_the_start_leaves_no_process() {
    let dir = TempDir::new("early").unwrap();
    for milliseconds in [0, 600, 1500] {
        let store = Running::start(&mut bodega(dir.path(), &["--demo=false"]));
        // Without a handler, the signal would end the process at once.
        eventually("SIGTERM is handled", async || store.handles_sigterm()).await;
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        assert!(store.terminate().await.success());
        assert_eq!(process::processes_on(dir.path()), Vec::<String>::new());
    }
}

#[tokio::test]
async fn rejects_a_data_directory_that_is_in_use() {
    let dir = TempDir::new("twice").unwrap();
    let store = start_bodega(&mut bodega(dir.path(), &["--demo=false"])).await;
    let (code, output) = error_of(&mut bodega(dir.path(), &["up"])).await;
    assert_eq!(code, 1);
    assert!(output.starts_with("error: another bodega is using "), "{output}");
    assert_eq!(store.product_count().await, 0, "the first one still runs");
    store.process.terminate().await;
}

#[tokio::test]
async fn rejects_a_data_directory_of_an_incompatible_version() {
    let dir = TempDir::new("incompatible").unwrap();
    let store = start_bodega(&mut bodega(dir.path(), &["--demo=false"])).await;
    let server = std::fs::read_to_string(dir.path().join("running.url")).unwrap();
    let owner = server.parse::<PgConnectOptions>().unwrap().database("bodega");
    let mut db = PgConnection::connect_with(&owner).await.unwrap();
    let other_version = "update orders._sqlx_migrations set checksum = 'another' where version = 1";
    sqlx::query(other_version).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
    assert!(store.process.terminate().await.success());

    for command in ["up", "migrate"] {
        let (code, error) = error_of(&mut bodega(dir.path(), &[command])).await;
        assert_eq!(code, 1);
        assert!(error.starts_with(&format!("error: data directory {} ", dir.path().display())), "{error}");
        assert!(error.ends_with(": move it away, or set another BODEGA_DATA_DIR (or --data-dir)"), "{error}");
        assert_eq!(process::processes_on(dir.path()), Vec::<String>::new());
    }
}

#[tokio::test]
async fn commands_work_on_a_running_store() {
    let dir = TempDir::new("join").unwrap();
    let store = start_bodega(&mut bodega(dir.path(), &["--demo=false"])).await;
    assert_eq!(stdout_of(&mut bodega(dir.path(), &["migrate"])).await, "The database is migrated.\n");

    let create =
        ["admin", "create", "--email", "ada@shop.example", "--name", "Ada", "--password", "tea at four"];
    assert_eq!(stdout_of(&mut bodega(dir.path(), &create)).await, "ada@shop.example is an admin now.\n");
    let admin = store.sign_in("ada@shop.example", "tea at four").await;
    assert_eq!(admin.session()["user"]["role"], "admin");

    let reset = ["admin", "reset-password", "--email", "ada@shop.example"];
    let output = stdout_of(&mut bodega(dir.path(), &reset)).await;
    let password = output.lines().next().unwrap().rsplit_once(": ").unwrap().1;
    admin.get("/api/users/me").await.expect_problem(401, "session_ended");
    let admin = store.sign_in("ada@shop.example", password).await;
    let change = serde_json::json!({"currentPassword": password, "newPassword": "tea at five"});
    admin.post("/api/users/me/password", change).await.expect(204);
    store.sign_in("ada@shop.example", "tea at five").await;
    let (code, error) =
        error_of(&mut bodega(dir.path(), &["admin", "reset-password", "--email", "eve@shop.example"])).await;
    assert_eq!((code, &*error), (1, "error: no user has this email or username"));
    let remove = ["admin", "remove-2fa", "--email", "ada@shop.example"];
    let (code, error) = error_of(&mut bodega(dir.path(), &remove)).await;
    assert_eq!((code, &*error), (1, "error: the user has no second factor"));

    stdout_of(&mut bodega(dir.path(), &["seed"])).await;
    assert!(store.product_count().await >= 60);
    assert!(stdout_of(&mut bodega(dir.path(), &["verify"])).await.contains("checks passed"));
    store.process.terminate().await;
}

/// The demo products have SKUs.
#[tokio::test]
async fn adds_demo_products_also_if_a_product_has_one_of_their_skus() {
    let dir = TempDir::new("skus").unwrap();
    let store = start_bodega(&mut bodega(dir.path(), &["--demo=false"])).await;
    let created =
        stdout_of(&mut bodega(dir.path(), &["admin", "create", "--email", "ada@shop.example"])).await;
    let password = created.trim().rsplit_once(": ").unwrap().1;
    let admin = store.sign_in("ada@shop.example", password).await;
    let id = admin.create_product("Towel", "5", 1).await;
    let body = json!({"options": [], "variants": [{"sku": "towel-wht", "price": 5}]});
    admin.put(&format!("/api/products/{id}/variants"), body).await.expect(200);
    assert!(stdout_of(&mut bodega(dir.path(), &["seed"])).await.contains("Added 62 demo products"));
    store.process.terminate().await;
}

#[tokio::test]
async fn commands_work_on_a_stopped_store() {
    let dir = TempDir::new("closed").unwrap();
    assert!(stdout_of(&mut bodega(dir.path(), &["seed"])).await.contains("Added 62 demo products"));
    assert!(
        stdout_of(&mut bodega(dir.path(), &["seed"])).await.contains("Added 0 demo products"),
        "a second time adds nothing"
    );
    assert!(
        stdout_of(&mut bodega(dir.path(), &["seed", "--products", "2500"]))
            .await
            .contains("Added 2500 products")
    );

    let created =
        stdout_of(&mut bodega(dir.path(), &["admin", "create", "--email", "ada@shop.example"])).await;
    let password = created.trim().rsplit_once(": ").unwrap().1;
    assert!(stdout_of(&mut bodega(dir.path(), &["verify"])).await.contains("checks passed"));
    process::wait_until_unused(dir.path()).await;

    let store = start_bodega(&mut bodega(dir.path(), &[])).await;
    store.sign_in("ada@shop.example", password).await.stock_of(2500).await;
    store.process.terminate().await;
}

#[tokio::test]
async fn reads_a_password_from_standard_input() {
    use tokio::io::AsyncWriteExt as _;
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("stdin").unwrap();
    let mut command =
        bodega(dir.path(), &["admin", "create", "--email", "ada@shop.example", "--password", "-"]);
    command.env("DATABASE_URL", database.url()).stdin(std::process::Stdio::piped());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"tea at four\n").await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "ada@shop.example is an admin now.\n");
}

#[tokio::test]
async fn verify_reports_rows_and_exits_with_1() {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("disagree").unwrap();
    let on_database = |arguments: &[&str]| {
        let mut command = bodega(dir.path(), arguments);
        command.env("DATABASE_URL", database.url());
        command
    };
    stdout_of(&mut on_database(&["seed"])).await;
    let db = sqlx::PgPool::connect(&database.url()).await.unwrap();
    sqlx::query("update catalog.products set stock = stock + 7 where id = 1").execute(&db).await.unwrap();

    let output = process::run(&mut on_database(&["verify"])).await;
    let report = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("FAILED   stock equals the sum of its movements (rows: 1)"), "{report}");
    assert!(report.contains("product 1: "), "{report}");
}

#[tokio::test]
async fn starts_on_a_given_database() {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("external").unwrap();
    let mut up = bodega(dir.path(), &[]);
    let store = start_bodega(up.env("DATABASE_URL", database.url())).await;
    assert!(store.product_count().await >= 60);
    assert!(!dir.path().join("postgres").exists(), "no embedded database");
    assert!(store.process.terminate().await.success());
}

#[tokio::test]
async fn prints_the_openapi_document_without_a_store() {
    let dir = TempDir::new("openapi").unwrap();
    let data_dir = dir.path().join("not made");
    let document = stdout_of(&mut bodega(&data_dir, &["openapi"])).await;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/products"]["get"].is_object());
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn help_lists_every_command() {
    let help = stdout_of(&mut bodega(Path::new("/nonexistent"), &["--help"])).await;
    for command in ["up", "migrate", "seed", "admin", "verify", "openapi"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{help}");
    }
    for heading in ["Serving:", "Data:", "Payments:", "Images:", "API:", "Logs and traces:"] {
        assert_eq!(help.lines().filter(|line| *line == heading).count(), 1, "{heading} {help}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_a_one_line_error() {
    let dir = TempDir::new("port").unwrap();
    let data_dir = dir.path().join("not made");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, output) = error_of(bodega(&data_dir, &[]).env("BODEGA_HTTP", &address)).await;
    assert_eq!(code, 1);
    assert!(
        output.starts_with(&format!("error: BODEGA_HTTP (or --http): cannot listen on {address}")),
        "{output}"
    );
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn starts_if_the_default_metrics_port_is_in_use() {
    // In use by this process or by another.
    let _taken = TcpListener::bind("127.0.0.1:9464");
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("metrics").unwrap();
    let mut up = bodega(dir.path(), &["--demo=false"]);
    let store = start_bodega(up.env("DATABASE_URL", database.url()).env_remove("BODEGA_ADMIN_HTTP")).await;
    assert!(store.process.terminate().await.success());
}

/// By default, images are stored in the data directory, and are available after a restart.
#[tokio::test]
async fn stores_images_in_the_data_directory() {
    let dir = TempDir::new("media").unwrap();
    let store = start_bodega(&mut bodega(dir.path(), &["--demo=false"])).await;
    let admin = store.admin().await;
    let shown = admin.set_avatar(&png()).await.expect(200).json;
    let url = shown["avatarUrl"].as_str().unwrap();
    let found = store.guest.fetch_image(url).await.bytes;
    assert_eq!(files(&dir.path().join("media")).len(), 2);
    assert!(store.process.terminate().await.success());
    let again = start_bodega(&mut bodega(dir.path(), &["--demo=false"])).await;
    assert_eq!(again.guest.fetch_image(url).await.bytes, found);
    again.process.terminate().await;
}

#[tokio::test]
async fn a_store_serves_until_the_end_of_its_drain_delay() {
    let dir = TempDir::new("drain").unwrap();
    let store = start_bodega(bodega(dir.path(), &["--demo=false"]).env("BODEGA_DRAIN_DELAY", "5")).await;
    let stopped = tokio::spawn(store.process.terminate());
    while store.guest.get("/readyz").await.status != 503 {
        assert!(!stopped.is_finished(), "it is not ready before it stops");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    store.guest.get("/healthz").await.expect(200);
    store.guest.get("/api/products").await.expect(200);
    assert!(!stopped.is_finished(), "it serves until the end of the drain delay");
    assert!(stopped.await.unwrap().success());
}
