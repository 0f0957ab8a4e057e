//! Storages that fail, and the signature against values from elsewhere.

use std::time::{Duration, Instant};

use axum::{Router, http::StatusCode};
use clap::Parser as _;
use image::{DynamicImage, ImageFormat};
use tokio::{net::TcpListener, time::sleep};
use uuid::Uuid;

use super::{CloudinaryArgs, Patience, S3Args, Storage, signature::sign};
use crate::{EncodedImage, ImageKey, Media, secret::Secret};

const PATIENCE: Patience =
    Patience { connect: Duration::from_millis(500), total: Duration::from_millis(700) };

/// Both storages behind a network, at this URL.
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
        Storage::S3(cli.s3.open(PATIENCE).unwrap().unwrap()),
        Storage::Cloudinary(cli.cloudinary.open(PATIENCE).unwrap().unwrap()),
    ]
}

/// That neither storage keeps or deletes anything, says why, and takes no longer than it may.
async fn assert_fails(url: &str, reasons: &[&str]) {
    let picture = picture().await;
    let key = ImageKey { folder: "products".to_owned(), id: Uuid::now_v7(), format: picture.format };
    for storage in storages(url) {
        let began = Instant::now();
        let put = storage.put(&key, &picture).await.unwrap_err().to_string();
        let deleted = storage.delete(&key).await.unwrap_err().to_string();
        for error in [put, deleted] {
            assert!(reasons.iter().any(|reason| error.contains(reason)), "{}: {error}", storage.name());
        }
        assert!(began.elapsed() < PATIENCE.total * 6, "{}: {:?}", storage.name(), began.elapsed());
    }
}

async fn picture() -> EncodedImage {
    let media = Media::local("unused".as_ref());
    let mut png = std::io::Cursor::new(Vec::new());
    DynamicImage::new_rgb8(2, 2).write_to(&mut png, ImageFormat::Png).unwrap();
    let mut upload = media.upload().await.unwrap();
    upload.push(png.get_ref()).unwrap();
    media.encode(upload).await.unwrap()
}

/// Answers everything so.
async fn answering(status: StatusCode, body: &'static str, delay: Duration) -> String {
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
async fn a_storage_that_fails_is_an_error() {
    let url = answering(StatusCode::INTERNAL_SERVER_ERROR, "", Duration::ZERO).await;
    assert_fails(&url, &["500", "no answer within 700ms"]).await;
}

#[tokio::test]
async fn a_storage_that_refuses_is_an_error() {
    let body = r#"{"error":{"message":"cloud_name is disabled"}}"#;
    let url = answering(StatusCode::FORBIDDEN, body, Duration::ZERO).await;
    assert_fails(&url, &["cloud_name is disabled"]).await;
}

#[tokio::test]
async fn a_storage_that_does_not_answer_is_an_error_soon() {
    let url = answering(StatusCode::OK, "", Duration::from_secs(60)).await;
    assert_fails(&url, &["no answer within 700ms", "operation timed out"]).await;
}

#[tokio::test]
async fn what_is_tried_again_takes_no_longer_than_one_try_may() {
    let url = answering(StatusCode::INTERNAL_SERVER_ERROR, "", PATIENCE.total.mul_f64(0.6)).await;
    let picture = picture().await;
    let key = ImageKey { folder: "products".to_owned(), id: Uuid::now_v7(), format: picture.format };
    let [s3, _] = storages(&url);
    let error = s3.put(&key, &picture).await.unwrap_err().to_string();
    assert!(error.contains("no answer within 700ms"), "{error}");
}

#[tokio::test]
async fn a_storage_that_is_not_there_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_fails(&url, &["Connection refused", "no answer within 700ms"]).await;
}

#[tokio::test]
async fn a_storage_that_speaks_no_tls_where_it_should_is_an_error() {
    let url = answering(StatusCode::OK, "", Duration::ZERO).await.replace("http:", "https:");
    assert_fails(&url, &["error sending request", "no answer within 700ms"]).await;
}

#[tokio::test]
async fn a_storage_that_hangs_up_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    assert_fails(&url, &["error sending request", "no answer within 700ms"]).await;
}

#[tokio::test]
async fn what_is_not_in_the_bucket_is_gone_and_what_has_no_bucket_is_not() {
    let key = ImageKey { folder: "products".to_owned(), id: Uuid::now_v7(), format: picture().await.format };
    for (code, is_gone) in [("NoSuchKey", true), ("NoSuchBucket", false)] {
        let body = format!("<Error><Code>{code}</Code></Error>").leak();
        let url = answering(StatusCode::NOT_FOUND, body, Duration::ZERO).await;
        let [s3, _] = storages(&url);
        assert_eq!(s3.delete(&key).await.is_ok(), is_gone, "{code}");
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_an_error() {
    let picture = picture().await;
    let key = ImageKey { folder: "products".to_owned(), id: Uuid::now_v7(), format: picture.format };
    for body in ["", "<html>", "{}", r#"{"secure_url": "https://example.com/a.jpg", "result": "error"}"#] {
        let url = answering(StatusCode::OK, body, Duration::ZERO).await;
        let [_, cloudinary] = storages(&url);
        cloudinary.put(&key, &picture).await.unwrap_err();
        cloudinary.delete(&key).await.unwrap_err();
    }
}

/// Made with Cloudinary's own SDK for Python, 1.46.3: `cloudinary.utils.api_sign_request(parameters, secret)`. Lists
/// are written as the SDK sends them, with commas.
#[test]
fn signatures_are_those_of_the_official_sdk() {
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
        assert_eq!(sign(params.iter().copied(), &Secret::from(secret)), expected, "{params:?}");
    }
}
