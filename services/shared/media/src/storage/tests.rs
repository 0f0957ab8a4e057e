//! Failing storages, and signatures compared with the official SDK.

use std::time::{Duration, Instant};

use axum::{Router, http::StatusCode};
use clap::Parser as _;
use image::{DynamicImage, ImageFormat};
use secrecy::SecretString;
use tokio::{net::TcpListener, time::sleep};
use uuid::Uuid;

use super::{CloudinaryArgs, S3Args, Storage, StorageTimeouts, signature::sign};
use crate::{EncodedImage, ImageKey, Media};

const TIMEOUTS: StorageTimeouts = StorageTimeouts {
    connect: Duration::from_millis(500),
    put: Duration::from_millis(700),
    total: Duration::from_millis(700),
};

/// Returns both remote storages.
fn storages(url: &str) -> [Storage; 2] {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        s3: S3Args,
        #[command(flatten)]
        cloudinary: CloudinaryArgs,
    }
    let bucket = ["test", "--s3-bucket=b", "--aws-access-key-id=k", "--aws-secret-access-key=s"];
    let account = ["--cloud-name=c", "--cloud-api-key=k", "--cloud-api-secret=s"];
    let (endpoint, api) = (format!("--s3-endpoint={url}"), format!("--cloudinary-url={url}"));
    let cli = Cli::parse_from([&bucket[..], &account, &[&endpoint, &api]].concat());
    [
        Storage::S3(cli.s3.open(TIMEOUTS).unwrap().unwrap()),
        Storage::Cloudinary(cli.cloudinary.open(TIMEOUTS).unwrap().unwrap()),
    ]
}

/// Asserts that both storages fail within their timeout for one of `reasons`.
async fn assert_fails(url: &str, reasons: &[&str]) {
    let image = encoded_image().await;
    let key = ImageKey { folder: "products".to_owned(), id: Uuid::now_v7(), format: image.format };
    for storage in storages(url) {
        let began = Instant::now();
        let put = storage.put(&key, &image).await.unwrap_err().to_string();
        let deleted = storage.delete(&key).await.unwrap_err().to_string();
        for error in [put, deleted] {
            assert!(reasons.iter().any(|reason| error.contains(reason)), "{}: {error}", storage.name());
        }
        assert!(began.elapsed() < TIMEOUTS.total * 6, "{}: {:?}", storage.name(), began.elapsed());
    }
}

async fn encoded_image() -> EncodedImage {
    let media = Media::local("unused".as_ref());
    let mut png = std::io::Cursor::new(Vec::new());
    DynamicImage::new_rgb8(2, 2).write_to(&mut png, ImageFormat::Png).unwrap();
    let mut upload = media.upload();
    upload.push(png.get_ref()).unwrap();
    media.encode(upload).await.unwrap()
}

/// Starts a server with the same response to every request; returns its URL.
async fn responding(status: StatusCode, body: &'static str, delay: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(move || async move {
        sleep(delay).await;
        (status, body)
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn returns_an_error_when_the_storage_fails() {
    let url = responding(StatusCode::INTERNAL_SERVER_ERROR, "", Duration::ZERO).await;
    assert_fails(&url, &["500", "no response within 700ms"]).await;
}

#[tokio::test]
async fn returns_the_reason_when_the_storage_rejects_a_call() {
    let body = r#"{"error":{"message":"cloud_name is disabled"}}"#;
    let url = responding(StatusCode::FORBIDDEN, body, Duration::ZERO).await;
    assert_fails(&url, &["cloud_name is disabled"]).await;
}

#[tokio::test]
async fn times_out_when_the_storage_does_not_respond() {
    let url = responding(StatusCode::OK, "", Duration::from_secs(60)).await;
    assert_fails(&url, &["no response within 700ms", "operation timed out"]).await;
}

#[tokio::test]
async fn retries_stay_within_the_timeout() {
    let url = responding(StatusCode::INTERNAL_SERVER_ERROR, "", TIMEOUTS.total.mul_f64(0.6)).await;
    let image = encoded_image().await;
    let key = ImageKey { folder: "products".to_owned(), id: Uuid::now_v7(), format: image.format };
    let [s3, _] = storages(&url);
    let error = s3.put(&key, &image).await.unwrap_err().to_string();
    assert!(error.contains("no response within 700ms"), "{error}");
}

#[tokio::test]
async fn returns_an_error_when_the_connection_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_fails(&url, &["Connection refused", "no response within 700ms"]).await;
}

#[tokio::test]
async fn returns_an_error_when_the_server_does_not_use_tls() {
    let url = responding(StatusCode::OK, "", Duration::ZERO).await.replace("http:", "https:");
    assert_fails(&url, &["error sending request", "no response within 700ms"]).await;
}

#[tokio::test]
async fn returns_an_error_when_the_connection_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    assert_fails(&url, &["error sending request", "no response within 700ms"]).await;
}

#[tokio::test]
async fn deleting_ignores_a_missing_object_and_not_a_missing_bucket() {
    let key =
        ImageKey { folder: "products".to_owned(), id: Uuid::now_v7(), format: encoded_image().await.format };
    for (code, is_gone) in [("NoSuchKey", true), ("NoSuchBucket", false)] {
        let body = format!("<Error><Code>{code}</Code></Error>").leak();
        let url = responding(StatusCode::NOT_FOUND, body, Duration::ZERO).await;
        let [s3, _] = storages(&url);
        assert_eq!(s3.delete(&key).await.is_ok(), is_gone, "{code}");
    }
}

#[tokio::test]
async fn returns_an_error_for_an_unexpected_response() {
    let image = encoded_image().await;
    let key = ImageKey { folder: "products".to_owned(), id: Uuid::now_v7(), format: image.format };
    for body in ["", "<html>", "{}", r#"{"secure_url": "https://example.com/a.jpg", "result": "error"}"#] {
        let url = responding(StatusCode::OK, body, Duration::ZERO).await;
        let [_, cloudinary] = storages(&url);
        cloudinary.put(&key, &image).await.unwrap_err();
        cloudinary.delete(&key).await.unwrap_err();
    }
}

/// Generated with Cloudinary's own SDK for Python, 1.46.3: `cloudinary.utils.api_sign_request(parameters, secret)`. Lists
/// are written as the SDK sends them, with commas.
#[test]
fn signatures_match_the_official_sdk() {
    let id = ("public_id", "bodega/products/019988aa-1111-7222-8333-0123456789ab");
    let time = ("timestamp", "1700000000");
    for (secret, params, expected) in [
        (
            "abcd",
            &[
                ("public_id", "sample_image"),
                ("timestamp", "1315060510"),
                ("eager", "w_400,h_300,c_pad|w_260,h_200,c_crop"),
            ][..],
            "bfd09f95f331f558cbd1320e67aa8d488770583e",
        ),
        ("s3cr3t", &[id, time], "a013789dafdbb0a0b2f44adceb9f82f43b63f295"),
        ("s3cr3t", &[id, time, ("invalidate", "true")], "56da0346c78df5fb5c3dad74837ae51686edfa5a"),
        ("s3cr3t", &[("public_id", "a&overwrite=true"), time], "cc8fe0d0abfa475016dc07b5095dbc5658368534"),
        (
            "s3cr3t",
            &[("context", "caption=Café 漢字 🛒"), ("public_id", "naïve"), time],
            "65dd2fba714e6de07be7b0640a5e2126d9bd562e",
        ),
        (
            "s3cr3t",
            &[("tags", "red,green & blue"), ("folder", ""), time],
            "f9bfa912792ce98dde408fe90eca7b57d9c3c31a",
        ),
        (
            "sécret&",
            &[("a", "1"), ("a1", "2"), ("a_b", "3"), time],
            "613fe3b7d287d9d1e7b49eb454423973611b628c",
        ),
    ] {
        assert_eq!(sign(params.iter().copied(), &SecretString::from(secret)), expected, "{params:?}");
    }
}
