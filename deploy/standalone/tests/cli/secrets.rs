//! Secrets in files, and empty variables.

use std::{fs, path::Path};

use bodega_embedded_postgres::testing::TempDir;
use tokio::process::Command;

use crate::harness::{
    binary::{SECRET, bodega, error_of, service, start_bodega},
    process,
    store::PASSWORD,
};

const DATABASE: [&str; 2] = ["DATABASE_URL", "DB_PASSWORD"];
const IMAGES: [&str; 4] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "CLOUD_API_KEY", "CLOUD_API_SECRET"];
const STRIPE: [&str; 3] = ["STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRET"];
const TOKEN: &str = "BODEGA_SERVICE_TOKEN";

/// Each program with the names of its secrets.
fn programs(dir: &Path) -> Vec<(Command, Vec<&'static str>)> {
    let up = [&DATABASE[..], &IMAGES, &STRIPE, &["JWT_SECRET_KEY", "BODEGA_ADMIN_PASSWORD"]].concat();
    vec![
        (bodega(dir, &[]), up),
        (service("identity"), [&DATABASE[..], &IMAGES, &["JWT_SECRET_KEY", TOKEN]].concat()),
        (service("catalog"), [&DATABASE[..], &IMAGES, &[TOKEN]].concat()),
        (service("cart"), [&DATABASE[..], &[TOKEN]].concat()),
        (service("order"), [&DATABASE[..], &STRIPE, &[TOKEN]].concat()),
        (service("gateway"), vec![TOKEN]),
    ]
}

#[tokio::test]
async fn every_secret_can_be_in_a_file() {
    let dir = TempDir::new("secret_files").unwrap();
    for program in 0..programs(dir.path()).len() {
        let secrets = programs(dir.path()).remove(program).1;
        for name in secrets {
            let file = format!("{name}_FILE");
            let start = || programs(dir.path()).remove(program).0;

            let (code, output) = error_of(start().env(&file, "/nonexistent/secret")).await;
            assert_eq!(code, 2, "{output}");
            let reason = format!("error: {file}: cannot read /nonexistent/secret: No such file");
            assert!(output.starts_with(&reason), "{output}");

            let (code, output) =
                error_of(start().env(&file, "/nonexistent/secret").env(name, "hunter2")).await;
            assert_eq!(code, 2, "{output}");
            assert_eq!(output, format!("error: {name} and {file} are both set: set one of them"));
        }
    }
}

#[tokio::test]
async fn an_invalid_secret_in_a_file_is_not_shown() {
    let dir = TempDir::new("invalid_secret").unwrap();
    let file = dir.path().join("secret");
    fs::write(&file, "hunter2\n").unwrap();
    for (program, name) in [("order", TOKEN), ("identity", "JWT_SECRET_KEY"), ("cart", "DATABASE_URL")] {
        let mut command = service(program);
        let required = [(TOKEN, SECRET.to_owned()), ("JWT_SECRET_KEY", SECRET.to_owned())];
        command.envs(required.into_iter().filter(|(required, _)| *required != name));
        let (_, output) =
            error_of(command.env("BODEGA_LISTEN", "127.0.0.1:0").env(format!("{name}_FILE"), &file)).await;
        assert!(output.starts_with("error: ") && output.contains(name), "{output}");
        assert!(!output.contains("hunter2"), "{output}");
    }
}

#[tokio::test]
async fn a_secret_in_a_file_is_its_first_line() {
    let dir = TempDir::new("password_file").unwrap();
    let file = dir.path().join("password");
    fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let mut command = bodega(dir.path(), &["--demo=false"]);
    command.env("BODEGA_ADMIN_EMAIL", "ada@shop.example").env("BODEGA_ADMIN_PASSWORD_FILE", &file);
    let store = start_bodega(&mut command).await;
    store.sign_in("ada@shop.example", PASSWORD).await;
    assert!(store.process.terminate().await.success());
}

/// Variables that are set to nothing, as `${NAME:-}` of a compose file does.
#[tokio::test]
async fn empty_variables_are_not_set() {
    let dir = TempDir::new("empty_variables").unwrap();
    let mut command = bodega(dir.path(), &["--demo=false"]);
    let help = process::run(&mut bodega(dir.path(), &["--help"])).await;
    let help = String::from_utf8(help.stdout).unwrap();
    let names: Vec<_> = help
        .split("[env: ")
        .skip(1)
        .map(|text| text.split(['=', ']']).next().unwrap())
        .filter(|name| !["BODEGA_DATA_DIR", "BODEGA_HTTP", "BODEGA_ADMIN_HTTP"].contains(name))
        .collect();
    assert!(names.len() > 30 && names.contains(&"OTEL_EXPORTER_OTLP_ENDPOINT"), "{names:?}");
    for name in names {
        command.env(name, "").env(format!("{name}_FILE"), "");
    }
    let store = start_bodega(&mut command).await;
    assert_eq!(store.product_count().await, 0);
    assert!(store.process.terminate().await.success());
}

/// `.env` in the working directory, in which a line is not valid.
#[tokio::test]
async fn an_invalid_line_of_dotenv_is_not_shown() {
    let dir = TempDir::new("dotenv").unwrap();
    fs::write(dir.path().join(".env"), "JWT_SECRET_KEY='hunter2\n").unwrap();
    let (code, output) = error_of(bodega(dir.path(), &[]).current_dir(dir.path())).await;
    assert_eq!(
        (code, &*output),
        (2, "error: cannot read .env: the line of JWT_SECRET_KEY is not NAME=value")
    );
}
