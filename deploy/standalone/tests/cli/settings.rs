//! What the program is told, by its environment.

use bodega_embedded_postgres::testing::TempDir;

use crate::harness::{
    binary::{bodega, open, refusal},
    payments, process,
};

#[tokio::test]
async fn a_bad_value_is_one_line_that_names_its_variable() {
    let dir = TempDir::new("bad").unwrap();
    for (variable, value, code) in [
        ("BODEGA_HTTP", "here", 2),
        ("BODEGA_DEMO", "perhaps", 2),
        ("BODEGA_CURRENCY", "GOLD", 2),
        ("JWT_SECRET_KEY", "short", 2),
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
        ("STRIPE_SECRET_KEY", "a key of somebody else", 1),
        ("DATABASE_URL", "postgres//nowhere", 1),
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nowhere", 1),
        ("BODEGA_ADMIN_HTTP", "192.0.2.1:80", 1),
        ("BODEGA_ADMIN_EMAIL", "nobody", 1),
        ("BODEGA_ADMIN_PASSWORD", "short", 1),
    ] {
        let (exit_code, said) =
            refusal(bodega(dir.path(), &[]).env("BODEGA_DEMO", "false").env(variable, value)).await;
        assert_eq!(exit_code, code, "{said}");
        assert!(said.starts_with("error: ") && said.contains(variable), "{variable}: {said}");
        let is_secret = ["JWT_SECRET_KEY", "STRIPE_SECRET_KEY"].contains(&variable);
        assert!(!is_secret || !said.contains(value), "a secret is not repeated: {said}");
    }
    process::deserted(dir.path()).await;
}

/// Half a configuration starts nothing, and the one line says what is missing.
#[tokio::test]
async fn half_a_configuration_is_one_line_that_says_what_is_missing() {
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
        (&[("BODEGA_S3_BUCKET", "pictures")], &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
        (&[("BODEGA_MEDIA_DIR", "/dev/null/pictures")], &["/dev/null/pictures"]),
    ] {
        let (code, said) = refusal(bodega(dir.path(), &[]).envs(variables.iter().copied())).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.starts_with("error: ") && missing.iter().all(|name| said.contains(name)), "{said}");
    }
    assert!(!dir.path().join("postgres").exists(), "no database was started");
}

#[tokio::test]
async fn a_store_says_that_it_takes_cards_and_whether_in_earnest() {
    let dir = TempDir::new("cards").unwrap();
    let stripe = payments::stripe().await;
    let mut store = open(bodega(dir.path(), &["--demo=false"]).envs(payments::variables(&stripe))).await;
    assert_eq!(store.process.line().await, "  cards  are taken in test mode: no money moves");
    assert!(store.process.terminate().await.success());
}
