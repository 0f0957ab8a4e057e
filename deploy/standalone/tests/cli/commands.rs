//! The program `bodega`, as a person uses it.

use std::{
    net::TcpListener,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use bodega_embedded_postgres::testing::{self, TempDir};
use sqlx::{Connection as _, PgConnection};

use crate::harness::{
    binary::{bodega, open, refusal, says},
    images::{files, png},
    process::{self, Running},
};

/// Files in this directory that somebody else than their user may read.
fn readable_by_others(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    let open = entries.filter(|entry| entry.file_type().unwrap().is_file() && entry.file_name() != "in-use");
    open.filter(|file| file.metadata().unwrap().mode() & 0o077 != 0).map(|file| file.path()).collect()
}

#[tokio::test]
async fn a_fresh_store_opens_with_goods_and_an_admin_and_leaves_no_process_behind() {
    let dir = TempDir::new("up").unwrap();
    let store = open(&mut bodega(dir.path(), &[])).await;
    assert!(store.product_count().await >= 60);
    store.admin().await.create_product("Lighthouse", "19.99", 1).await;
    assert_eq!(readable_by_others(dir.path()), Vec::<PathBuf>::new());
    assert!(store.process.terminate().await.success());
    assert_eq!(process::processes_on(dir.path()), Vec::<String>::new());

    let again = open(&mut bodega(dir.path(), &["up"])).await;
    assert_eq!(again.admin_line, "  admin  as before; `bodega admin create` makes another");
    let found = again.guest.get("/api/products?q=lighthouse").await.expect(200).json;
    assert_eq!(found["items"][0]["name"], "Lighthouse");
    assert!(again.process.interrupt().await.success());
    assert_eq!(process::processes_on(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn each_service_connects_as_a_role_of_its_own() {
    let dir = TempDir::new("own-roles").unwrap();
    let store = open(&mut bodega(dir.path(), &["--demo=false"])).await;
    let owner = std::fs::read_to_string(dir.path().join("running.url")).unwrap();
    let mut db = PgConnection::connect(&owner).await.unwrap();
    let connected = "select distinct application_name, usename::text from pg_stat_activity
        where application_name like 'bodega-%' order by 1";
    let connected: Vec<(String, String)> = sqlx::query_as(connected).fetch_all(&mut db).await.unwrap();
    let expected = ["cart", "catalog", "identity", "order"];
    assert_eq!(connected, expected.map(|name| (format!("bodega-{name}"), format!("bodega_{name}"))));
    store.process.terminate().await;
    assert!(!dir.path().join("running.url").exists(), "there is nothing to join any more");
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let dir = TempDir::new("kill").unwrap();
    let mut up = bodega(dir.path(), &["--demo=false"]);
    let store =
        open(up.env("BODEGA_ADMIN_EMAIL", "ada@shop.example").env("BODEGA_ADMIN_PASSWORD", "tea at four"))
            .await;
    assert_eq!(store.admin_line, "  admin  ada@shop.example");
    let admin = store.sign_in("ada@shop.example", "tea at four").await;
    let mug = admin.create_product("Mug", "19.99", 5).await;
    admin.add_to_cart(mug, 2).await.expect(200);
    let order = admin.place_order().await.expect(201).json;
    store.process.kill().await;
    process::deserted(dir.path()).await;

    let again = open(&mut bodega(dir.path(), &["--demo=false"])).await;
    let admin = again.sign_in("ada@shop.example", "tea at four").await;
    let found = admin.get(&format!("/api/orders/{}", order["id"].as_str().unwrap())).await.expect(200).json;
    assert_eq!(found, order);
    assert_eq!(admin.stock_of(mug).await, 3);
    assert!(says(&mut bodega(dir.path(), &["verify"])).await.contains("Everything adds up"));
    assert!(again.process.terminate().await.success());
}

#[tokio::test]
async fn a_store_that_is_told_to_end_while_it_opens_leaves_no_process_behind() {
    let dir = TempDir::new("early").unwrap();
    for milliseconds in [150, 600, 1500] {
        let store = Running::start(&mut bodega(dir.path(), &["--demo=false"]));
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        assert!(store.terminate().await.success());
        assert_eq!(process::processes_on(dir.path()), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_data_directory_is_opened_once() {
    let dir = TempDir::new("twice").unwrap();
    let store = open(&mut bodega(dir.path(), &["--demo=false"])).await;
    let (code, said) = refusal(&mut bodega(dir.path(), &["up"])).await;
    assert_eq!(code, 1);
    assert!(said.starts_with("error: another bodega is using "), "{said}");
    assert_eq!(store.product_count().await, 0, "the first one is still open");
    store.process.terminate().await;
}

#[tokio::test]
async fn commands_join_a_store_that_is_open() {
    let dir = TempDir::new("join").unwrap();
    let store = open(&mut bodega(dir.path(), &["--demo=false"])).await;
    assert_eq!(says(&mut bodega(dir.path(), &["migrate"])).await, "The database is ready.\n");

    let create =
        ["admin", "create", "--email", "ada@shop.example", "--name", "Ada", "--password", "tea at four"];
    assert_eq!(says(&mut bodega(dir.path(), &create)).await, "ada@shop.example runs the shop now.\n");
    let admin = store.sign_in("ada@shop.example", "tea at four").await;
    assert_eq!(admin.session()["user"]["role"], "admin");

    says(&mut bodega(dir.path(), &["seed"])).await;
    assert!(store.product_count().await >= 60);
    assert!(says(&mut bodega(dir.path(), &["verify"])).await.contains("Everything adds up"));
    store.process.terminate().await;
}

#[tokio::test]
async fn commands_need_no_open_store() {
    let dir = TempDir::new("closed").unwrap();
    assert!(says(&mut bodega(dir.path(), &["seed"])).await.contains("Added 62 products"));
    assert!(
        says(&mut bodega(dir.path(), &["seed"])).await.contains("0 products"),
        "a second time adds nothing"
    );
    assert!(
        says(&mut bodega(dir.path(), &["seed", "--products", "2500"])).await.contains("Added 2500 products")
    );

    let made = says(&mut bodega(dir.path(), &["admin", "create", "--email", "ada@shop.example"])).await;
    let password = made.trim().rsplit_once(": ").unwrap().1;
    assert!(says(&mut bodega(dir.path(), &["verify"])).await.contains("Everything adds up"));
    process::deserted(dir.path()).await;

    let store = open(&mut bodega(dir.path(), &[])).await;
    store.sign_in("ada@shop.example", password).await.stock_of(2500).await;
    store.process.terminate().await;
}

#[tokio::test]
async fn a_password_can_come_from_standard_input() {
    use tokio::io::AsyncWriteExt as _;
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("stdin").unwrap();
    let mut command =
        bodega(dir.path(), &["admin", "create", "--email", "ada@shop.example", "--password", "-"]);
    command.env("DATABASE_URL", database.url()).stdin(std::process::Stdio::piped());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"tea at four\n").await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "ada@shop.example runs the shop now.\n");
}

#[tokio::test]
async fn verify_names_the_rows_that_disagree_and_exits_with_1() {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("disagree").unwrap();
    let on_database = |arguments: &[&str]| {
        let mut command = bodega(dir.path(), arguments);
        command.env("DATABASE_URL", database.url());
        command
    };
    says(&mut on_database(&["seed"])).await;
    let db = sqlx::PgPool::connect(&database.url()).await.unwrap();
    sqlx::query("update catalog.products set stock = stock + 7 where id = 1").execute(&db).await.unwrap();

    let output = process::run(&mut on_database(&["verify"])).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("BROKEN   stock is the sum of its movements: not so for 1"), "{said}");
    assert!(said.contains("product 1: "), "{said}");
}

#[tokio::test]
async fn a_store_opens_on_a_database_it_is_given() {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("external").unwrap();
    let mut up = bodega(dir.path(), &[]);
    let store = open(up.env("DATABASE_URL", database.url())).await;
    assert!(store.product_count().await >= 60);
    assert!(!dir.path().join("postgres").exists(), "no cluster of its own");
    assert!(store.process.terminate().await.success());
}

#[tokio::test]
async fn the_document_of_the_api_needs_no_store() {
    let dir = TempDir::new("openapi").unwrap();
    let data_dir = dir.path().join("not made");
    let document = says(&mut bodega(&data_dir, &["openapi"])).await;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/products"]["get"].is_object());
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn help_lists_every_command() {
    let help = says(&mut bodega(Path::new("/nonexistent"), &["--help"])).await;
    for command in ["up", "migrate", "seed", "admin", "verify", "openapi"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{help}");
    }
    for heading in ["Serving:", "Data:", "Payments:", "Pictures:", "API:", "Logs and traces:"] {
        assert_eq!(help.lines().filter(|line| *line == heading).count(), 1, "{heading} {help}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_one_line_and_nothing_is_started() {
    let dir = TempDir::new("port").unwrap();
    let data_dir = dir.path().join("not made");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, said) = refusal(bodega(&data_dir, &[]).env("BODEGA_HTTP", &address)).await;
    assert_eq!(code, 1);
    assert!(
        said.starts_with(&format!("error: BODEGA_HTTP (or --http): cannot listen on {address}")),
        "{said}"
    );
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn the_usual_port_for_metrics_may_be_in_use() {
    // Ours or somebody else's: in use it is.
    let _taken = TcpListener::bind("127.0.0.1:9464");
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("metrics").unwrap();
    let mut up = bodega(dir.path(), &["--demo=false"]);
    let store = open(up.env("DATABASE_URL", database.url()).env_remove("BODEGA_ADMIN_HTTP")).await;
    assert!(store.process.terminate().await.success());
}

/// Where they are kept by default: in the data directory, and there again after a restart.
#[tokio::test]
async fn pictures_are_in_the_data_directory() {
    let dir = TempDir::new("media").unwrap();
    let store = open(&mut bodega(dir.path(), &["--demo=false"])).await;
    let admin = store.admin().await;
    let shown = admin.set_avatar(&png()).await.expect(200).json;
    let url = shown["avatarUrl"].as_str().unwrap();
    let found = store.guest.look_at(url).await.bytes;
    assert_eq!(files(&dir.path().join("media")).len(), 2);
    assert!(store.process.terminate().await.success());
    let again = open(&mut bodega(dir.path(), &["--demo=false"])).await;
    assert_eq!(again.guest.look_at(url).await.bytes, found);
    again.process.terminate().await;
}
