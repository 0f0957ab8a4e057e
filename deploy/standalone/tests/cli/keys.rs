//! `bodega keys`.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path};

use bodega_embedded_postgres::testing::TempDir;
use tokio::process::Command;

use crate::harness::{
    binary::{bodega, error_of, start_bodega, stdout_of},
    process,
    store::eventually,
};

const SECRETS: [&str; 8] = [
    "admin-password",
    "cart-db-password",
    "catalog-db-password",
    "identity-db-password",
    "jwt-secret-key",
    "order-db-password",
    "owner-password",
    "service-token",
];

fn keys(directory: &Path) -> Command {
    let mut command = process::command(env!("CARGO_BIN_EXE_bodega"));
    command.arg("keys").arg("--dir").arg(directory);
    command
}

/// The files in a directory, which only their user may read.
fn secrets_in(directory: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.is_file())
        .map(|file| {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o400, "{}", file.display());
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(file).unwrap())
        })
        .collect()
}

#[tokio::test]
async fn generates_missing_secrets_and_keeps_existing_ones() {
    let dir = TempDir::new("keys").unwrap();
    let dir = dir.path().join("new");
    assert_eq!(stdout_of(&mut keys(&dir)).await, "", "secrets are not printed");
    let first = secrets_in(&dir);
    assert_eq!(first.keys().collect::<Vec<_>>(), SECRETS);
    let mut values: Vec<_> = first.values().collect();
    values.sort();
    values.dedup();
    assert_eq!(values.len(), SECRETS.len(), "all secrets differ");
    assert!(
        first.iter().all(|(name, secret)| secret.len() >= if name == "admin-password" { 16 } else { 32 })
    );

    fs::remove_file(dir.join("cart-db-password")).unwrap();
    stdout_of(&mut keys(&dir)).await;
    let mut second = secrets_in(&dir);
    let new = second.insert("cart-db-password".to_owned(), first["cart-db-password"].clone());
    assert_ne!(new.as_deref(), first.get("cart-db-password").map(String::as_str));
    assert_eq!(second, first);
}

#[tokio::test]
async fn prints_a_secret_on_request() {
    let dir = TempDir::new("keys-print").unwrap();
    let printed = stdout_of(keys(&dir.path().join("new")).args(["--print", "admin-password"])).await;
    assert_eq!(printed.trim_end(), secrets_in(&dir.path().join("new"))["admin-password"]);
    let (code, error) = error_of(keys(dir.path()).args(["--print", "password"])).await;
    assert_eq!(code, 2);
    assert!(error.contains("--print") && error.contains("admin-password"), "{error}");
}

#[tokio::test]
async fn copies_to_each_process_only_the_secrets_that_it_needs() {
    let dir = TempDir::new("keys-copies").unwrap();
    let all = dir.path().join("all");
    for process in ["identity", "cart", "gateway", "postgres"] {
        fs::create_dir(dir.path().join(process)).unwrap();
    }
    let with_copies = |dir: &Path| {
        let mut command = keys(&dir.join("all"));
        command.arg("--copies").arg(dir);
        command
    };
    stdout_of(&mut with_copies(dir.path())).await;
    for (process, secrets) in [
        ("identity", &["identity-db-password", "jwt-secret-key", "service-token"][..]),
        ("cart", &["cart-db-password", "service-token"]),
        ("gateway", &["service-token"]),
        ("postgres", &["owner-password"]),
    ] {
        let copies = secrets_in(&dir.path().join(process));
        assert_eq!(copies.keys().collect::<Vec<_>>(), secrets, "{process}");
        assert!(copies.iter().all(|(name, copy)| secrets_in(&all)[name] == *copy));
    }
    assert!(!dir.path().join("order").exists());

    fs::remove_file(all.join("service-token")).unwrap();
    stdout_of(&mut with_copies(dir.path())).await;
    let copied = fs::read_to_string(dir.path().join("cart/service-token")).unwrap();
    assert_eq!(copied, secrets_in(&all)["service-token"], "a replaced secret replaces its copies");
}

#[tokio::test]
async fn reports_a_directory_that_cannot_be_written() {
    let (code, error) = error_of(&mut keys(Path::new("/dev/null/keys"))).await;
    assert_eq!(code, 1);
    assert!(error.contains("/dev/null/keys"), "{error}");
}

/// The generated secret in the data directory.
fn generated_secret(data_dir: &Path) -> String {
    let secrets = fs::read_to_string(data_dir.join("secrets.json")).unwrap();
    let secrets: serde_json::Value = serde_json::from_str(&secrets).unwrap();
    secrets["jwt_secret_key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_rotation_keeps_sessions_and_tokens_valid() {
    let dir = TempDir::new("rotate").unwrap();
    let store = start_bodega(&mut bodega(dir.path(), &["--demo=false"])).await;
    let admin = store.admin().await;
    let kids = async || {
        let keys = store.guest.get("/.well-known/jwks.json").await.expect(200).json["keys"].clone();
        keys.as_array().unwrap().iter().map(|key| key["kid"].to_string()).collect::<Vec<_>>()
    };
    let (old, secret) = (kids().await, generated_secret(dir.path()));
    let output = stdout_of(&mut bodega(dir.path(), &["keys", "rotate"])).await;
    assert!(output.starts_with("New tokens are signed with the key "), "{output}");
    assert_ne!(generated_secret(dir.path()), secret);
    assert!(!output.contains(&secret) && !output.contains(&generated_secret(dir.path())));
    eventually("the new key is published", async || kids().await.len() == 2).await;
    assert!(kids().await.contains(&old[0]));
    admin.get("/api/users/me").await.expect(200);

    // Before a restart, another rotation keeps the secret that the running store does not have yet.
    let pending = generated_secret(dir.path());
    stdout_of(&mut bodega(dir.path(), &["keys", "rotate"])).await;
    assert_eq!(generated_secret(dir.path()), pending);
    assert!(store.process.terminate().await.success());

    for _ in 0..2 {
        let again = start_bodega(&mut bodega(dir.path(), &["--demo=false"])).await;
        let refresh = serde_json::json!({"refreshToken": admin.session()["refreshToken"]});
        again.guest.post("/api/auth/refresh", refresh).await.expect(200);
        let profile = again.guest.clone().signed_in(admin.session().clone()).get("/api/users/me").await;
        profile.expect(200);
        assert!(again.process.terminate().await.success());
        // The second start has another secret.
        stdout_of(&mut bodega(dir.path(), &["keys", "rotate"])).await;
        assert_ne!(generated_secret(dir.path()), pending);
    }
}
