//! Settings from the environment.

use bodega_embedded_postgres::testing::TempDir;

use crate::harness::{
    binary::{bodega, error_of, start_bodega},
    payments, process,
};

#[tokio::test]
async fn an_invalid_value_is_a_one_line_error() {
    let dir = TempDir::new("bad").unwrap();
    for (variable, value, code) in [
        ("BODEGA_HTTP", "here", 2),
        ("BODEGA_DEMO", "perhaps", 2),
        ("BODEGA_CURRENCY", "GOLD", 2),
        ("JWT_SECRET_KEY", "short", 2),
        ("JWT_SECRET_KEY", "changeme-changeme-changeme-changeme", 2),
        ("JWT_SECRET_KEY", "00000000000000000000000000000000", 2),
        ("BODEGA_LOG_FORMAT", "xml", 2),
        ("BODEGA_DB_CONNECTIONS", "0", 2),
        ("BODEGA_PAYMENT_WINDOW", "soon", 2),
        ("BODEGA_STRIPE_URL", "stripe", 2),
        ("BODEGA_IMAGE_MAX_SIDE", "0", 2),
        ("BODEGA_REQUEST_TIMEOUT", "0", 2),
        ("BODEGA_MAX_REQUESTS", "0", 2),
        ("BODEGA_MAX_CONNECTIONS", "many", 2),
        ("BODEGA_DRAIN_DELAY", "-1", 2),
        ("BODEGA_ACCESS_TTL", "0", 2),
        ("STRIPE_SECRET_KEY", "a key of another account", 1),
        ("DATABASE_URL", "postgres//nowhere", 1),
        ("DATABASE_URL", "postgres://user@127.0.0.1:1/nowhere", 1),
        ("BODEGA_ADMIN_HTTP", "192.0.2.1:80", 1),
        ("BODEGA_ADMIN_EMAIL", "unknown", 1),
        ("BODEGA_ADMIN_PASSWORD", "short", 1),
    ] {
        let (exit_code, output) =
            error_of(bodega(dir.path(), &[]).env("BODEGA_DEMO", "false").env(variable, value)).await;
        assert_eq!(exit_code, code, "{output}");
        assert!(output.starts_with("error: ") && output.contains(variable), "{variable}: {output}");
        let is_secret = ["JWT_SECRET_KEY", "STRIPE_SECRET_KEY"].contains(&variable);
        assert!(!is_secret || !output.contains(value), "a secret is not repeated: {output}");
    }
    process::wait_until_unused(dir.path()).await;
}

/// An incomplete configuration stops the start.
#[tokio::test]
async fn an_incomplete_configuration_is_a_one_line_error() {
    let dir = TempDir::new("half").unwrap();
    for (variables, missing) in [
        (&[("STRIPE_SECRET_KEY", "sk_test_x")][..], &["STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRET"][..]),
        (
            &[("STRIPE_SECRET_KEY", "sk_test_x"), ("STRIPE_PUBLISHABLE_KEY", "pk_test_x")],
            &["STRIPE_WEBHOOK_SECRET"],
        ),
        (&[("STRIPE_WEBHOOK_SECRET", "whsec_x")], &["STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY"]),
        (&[("CLOUD_NAME", "demo")], &["CLOUD_API_KEY", "CLOUD_API_SECRET"]),
        (&[("CLOUD_API_KEY", "1"), ("CLOUD_API_SECRET", "x")], &["CLOUD_NAME"]),
        (&[("BODEGA_S3_BUCKET", "images")], &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
        (&[("BODEGA_MEDIA_DIR", "/dev/null/images")], &["/dev/null/images"]),
    ] {
        let (code, output) = error_of(bodega(dir.path(), &[]).envs(variables.iter().copied())).await;
        assert_eq!(code, 1, "{output}");
        assert!(
            output.starts_with("error: ") && missing.iter().all(|name| output.contains(name)),
            "{output}"
        );
    }
    assert!(!dir.path().join("postgres").exists(), "no database was started");
}

#[tokio::test]
async fn the_startup_message_shows_the_payment_mode() {
    let dir = TempDir::new("cards").unwrap();
    let stripe = payments::stripe().await;
    let mut store =
        start_bodega(bodega(dir.path(), &["--demo=false"]).envs(payments::variables(&stripe))).await;
    assert_eq!(store.process.line().await, "  cards  accepted in test mode: no money moves");
    assert!(store.process.terminate().await.success());
}
