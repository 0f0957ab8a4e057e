//! Settings of the separate processes: a bad one stops the start with one line that names the variable.

use std::{ffi::OsStr, net::TcpListener, os::unix::ffi::OsStrExt as _, path::Path};

use bodega_embedded_postgres::testing::TempDir;
use tokio::process::Command;

use crate::harness::{
    binary::{SECRET, error_of, service},
    process,
};

const SERVICES: &[&str] = &["identity", "catalog", "cart", "order"];
const ALL: &[&str] = &["identity", "catalog", "cart", "order", "gateway"];
const WITH_IMAGES: &[&str] = &["identity", "catalog"];

/// Programs, variables with their values, exit code, and the variable that the error names.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], i32, &'a str);

/// A process with a complete configuration, whose database does not respond.
fn configured(name: &str, dir: &Path) -> Command {
    let mut command = service(name);
    command.env("BODEGA_LISTEN", "127.0.0.1:0").env("BODEGA_SERVICE_TOKEN", SECRET);
    command.env("JWT_SECRET_KEY", SECRET).env("BODEGA_MEDIA_DIR", dir);
    command.env("DATABASE_URL", "postgres://bodega@127.0.0.1:1/none");
    command
}

#[tokio::test]
async fn a_bad_setting_stops_every_process_with_one_line() {
    let dir = TempDir::new("bad_settings").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let cases: &[Case<'_>] = &[
        (ALL, &[("BODEGA_LISTEN", "localhost")], 2, "BODEGA_LISTEN"),
        (ALL, &[("BODEGA_LISTEN", "127.0.0.1:99999")], 2, "BODEGA_LISTEN"),
        (ALL, &[("BODEGA_LISTEN", &taken)], 1, "BODEGA_LISTEN"),
        (&["cart"], &[("BODEGA_LISTEN", "192.0.2.1:80")], 1, "BODEGA_LISTEN"),
        (ALL, &[("BODEGA_ADMIN_HTTP", "here")], 2, "BODEGA_ADMIN_HTTP"),
        (ALL, &[("BODEGA_ADMIN_HTTP", &taken)], 1, "BODEGA_ADMIN_HTTP"),
        (ALL, &[("BODEGA_SERVICE_TOKEN", "hunter2")], 2, "BODEGA_SERVICE_TOKEN"),
        (ALL, &[("BODEGA_SERVICE_TOKEN", "")], 2, "BODEGA_SERVICE_TOKEN"),
        (ALL, &[("BODEGA_SECONDARY_SERVICE_TOKEN", "hunter2")], 2, "BODEGA_SECONDARY_SERVICE_TOKEN"),
        (ALL, &[("BODEGA_DRAIN_DELAY", "-1")], 2, "BODEGA_DRAIN_DELAY"),
        (ALL, &[("BODEGA_DRAIN_DELAY", "601")], 2, "BODEGA_DRAIN_DELAY"),
        (ALL, &[("BODEGA_LOG", "a=b=c")], 1, "BODEGA_LOG"),
        (ALL, &[("BODEGA_LOG_FORMAT", "xml")], 2, "BODEGA_LOG_FORMAT"),
        (ALL, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")], 2, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (ALL, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector")], 2, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (SERVICES, &[("DATABASE_URL", "mysql://ada:hunter2@db/shop")], 1, "DATABASE_URL"),
        (SERVICES, &[("DATABASE_URL", "")], 1, "DATABASE_URL"),
        (SERVICES, &[("DATABASE_URL", ""), ("DB_HOST", "db")], 1, "DB_NAME"),
        (SERVICES, &[("DATABASE_URL", ""), ("DB_NAME", "shop"), ("DB_PASSWORD", "hunter2")], 1, "DB_USER"),
        (SERVICES, &[("DB_PORT", "tcp://10.0.0.1:5432")], 2, "DB_PORT"),
        (SERVICES, &[("DB_PORT", "0")], 2, "DB_PORT"),
        (SERVICES, &[("BODEGA_DB_CONNECTIONS", "0")], 2, "BODEGA_DB_CONNECTIONS"),
        (SERVICES, &[("BODEGA_DB_CONNECTIONS", "many")], 2, "BODEGA_DB_CONNECTIONS"),
        (&["identity"], &[("JWT_SECRET_KEY", "hunter2")], 2, "JWT_SECRET_KEY"),
        (&["identity"], &[("JWT_SECRET_KEY", "")], 2, "JWT_SECRET_KEY"),
        (&["identity"], &[("BODEGA_ACCESS_TTL", "15m")], 2, "BODEGA_ACCESS_TTL"),
        (WITH_IMAGES, &[("BODEGA_IMAGE_MAX_BYTES", "0")], 2, "BODEGA_IMAGE_MAX_BYTES"),
        (WITH_IMAGES, &[("BODEGA_IMAGE_MAX_SIDE", "20000")], 2, "BODEGA_IMAGE_MAX_SIDE"),
        (WITH_IMAGES, &[("BODEGA_MEDIA_DIR", "/dev/null/images")], 1, "BODEGA_MEDIA_DIR"),
        (WITH_IMAGES, &[("CLOUD_NAME", "demo"), ("CLOUD_API_KEY", "hunter2")], 1, "CLOUD_API_SECRET"),
        (WITH_IMAGES, &[("BODEGA_CLOUDINARY_URL", "cloudinary")], 2, "BODEGA_CLOUDINARY_URL"),
        (
            WITH_IMAGES,
            &[("BODEGA_S3_BUCKET", "images"), ("AWS_ACCESS_KEY_ID", "hunter2")],
            1,
            "AWS_SECRET_ACCESS_KEY",
        ),
        (WITH_IMAGES, &[("BODEGA_S3_REGION", "eu-west-1")], 1, "BODEGA_S3_BUCKET"),
        (WITH_IMAGES, &[("BODEGA_S3_ENDPOINT", "s3.example")], 2, "BODEGA_S3_ENDPOINT"),
        (WITH_IMAGES, &[("BODEGA_S3_PUBLIC_URL", "images.example")], 2, "BODEGA_S3_PUBLIC_URL"),
        (
            WITH_IMAGES,
            &[
                ("BODEGA_S3_BUCKET", "images"),
                ("AWS_ACCESS_KEY_ID", "hunter2"),
                ("AWS_SECRET_ACCESS_KEY", "hunter2"),
                ("CLOUD_NAME", "demo"),
                ("CLOUD_API_KEY", "hunter2"),
                ("CLOUD_API_SECRET", "hunter2"),
            ],
            1,
            "CLOUD_NAME",
        ),
        (&["catalog", "gateway"], &[("BODEGA_CURRENCY", "GOLD")], 2, "BODEGA_CURRENCY"),
        (
            &["catalog", "cart", "order", "gateway"],
            &[("BODEGA_IDENTITY_URL", "identity:7001")],
            2,
            "BODEGA_IDENTITY_URL",
        ),
        (&["cart", "order", "gateway"], &[("BODEGA_CATALOG_URL", "ftp://catalog")], 2, "BODEGA_CATALOG_URL"),
        (&["order", "gateway"], &[("BODEGA_CART_URL", "http://")], 2, "BODEGA_CART_URL"),
        (&["gateway"], &[("BODEGA_ORDER_URL", "/order")], 2, "BODEGA_ORDER_URL"),
        (&["cart", "gateway"], &[("BODEGA_CACHE_BYTES", "64 MiB")], 2, "BODEGA_CACHE_BYTES"),
        (&["order"], &[("STRIPE_SECRET_KEY", "sk_test_hunter2")], 1, "STRIPE_WEBHOOK_SECRET"),
        (&["order"], &[("STRIPE_WEBHOOK_SECRET", "whsec_hunter2")], 1, "STRIPE_SECRET_KEY"),
        (&["order"], &[("BODEGA_PAYMENT_WINDOW", "soon")], 2, "BODEGA_PAYMENT_WINDOW"),
        (&["order"], &[("BODEGA_STRIPE_URL", "stripe")], 2, "BODEGA_STRIPE_URL"),
        (&["gateway"], &[("BODEGA_REQUEST_TIMEOUT", "0")], 2, "BODEGA_REQUEST_TIMEOUT"),
        (&["gateway"], &[("BODEGA_UPLOAD_TIMEOUT", "1h")], 2, "BODEGA_UPLOAD_TIMEOUT"),
        (&["gateway"], &[("BODEGA_MAX_REQUESTS", "0")], 2, "BODEGA_MAX_REQUESTS"),
        (&["gateway"], &[("BODEGA_MAX_CONNECTIONS", "many")], 2, "BODEGA_MAX_CONNECTIONS"),
        (&["gateway"], &[("BODEGA_BODY_LIMIT", "0")], 2, "BODEGA_BODY_LIMIT"),
        (&["gateway"], &[("BODEGA_UPLOAD_LIMIT", "99999999999")], 2, "BODEGA_UPLOAD_LIMIT"),
        (&["gateway"], &[("BODEGA_CORS_ORIGINS", "shop.example")], 2, "BODEGA_CORS_ORIGINS"),
        (&["gateway"], &[("BODEGA_ACCESS_LOG", "some")], 2, "BODEGA_ACCESS_LOG"),
        (&["gateway"], &[("BODEGA_MEDIA_DIR", "/dev/null")], 1, "BODEGA_MEDIA_DIR"),
    ];
    for (programs, variables, code, named) in cases {
        for program in *programs {
            let mut command = configured(program, dir.path());
            command.env("BODEGA_LOG", "off").envs(variables.iter().copied());
            let output = process::run(&mut command).await;
            let error = String::from_utf8(output.stderr).unwrap();
            let case = format!("{program} {variables:?}: {error}");
            assert_eq!(output.status.code(), Some(*code), "{case}");
            assert!(error.lines().count() == 1 && error.starts_with("error: "), "{case}");
            assert!(error.contains(named) && !error.contains("hunter2"), "{case}");
        }
    }
}

#[tokio::test]
async fn a_value_that_is_not_text_names_its_variable() {
    let dir = TempDir::new("not_text").unwrap();
    for name in ALL {
        let mut command = configured(name, dir.path());
        let (code, error) = error_of(command.env("BODEGA_LOG_FORMAT", OsStr::from_bytes(b"\xff"))).await;
        assert_eq!((code, &*error), (2, "error: BODEGA_LOG_FORMAT is not valid UTF-8"));
    }
}

#[tokio::test]
async fn a_misspelt_variable_is_logged() {
    let dir = TempDir::new("misspelt").unwrap();
    for name in ["order", "gateway"] {
        let mut command = configured(name, dir.path());
        command.env("BODEGA_CURENCY", "EUR").env("BODEGA_ORDER_URL", "http://127.0.0.1:1");
        // The start fails after the log is set up.
        let output = process::run(command.env("BODEGA_ADMIN_HTTP", "192.0.2.1:80")).await;
        let output = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.contains("unknown variables have no effect: BODEGA_CURENCY"), "{output}");
    }
}
