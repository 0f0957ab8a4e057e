//! The S3 storage, against a fake server.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::IntoResponse,
};
use bodega_media::{ImageUrls, Media};
use tokio::net::TcpListener;

use crate::images::{args, encoded_image, key};

/// A recorded request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    method: String,
    path: String,
    content_type: String,
    cache_control: String,
    is_signed: bool,
    body: Bytes,
}

type Calls = Arc<Mutex<Vec<Call>>>;

async fn record(
    State(calls): State<Calls>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let text = |name| headers.get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
    let status = if method == Method::DELETE { StatusCode::NO_CONTENT } else { StatusCode::OK };
    calls.lock().unwrap().push(Call {
        method: method.to_string(),
        path: uri.to_string(),
        content_type: text(header::CONTENT_TYPE),
        cache_control: text(header::CACHE_CONTROL),
        is_signed: text(header::AUTHORIZATION).starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
        body,
    });
    (status, [(header::ETAG, "\"1\"")])
}

async fn fake_s3() -> (String, Calls) {
    let calls = Calls::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(record).with_state(Arc::clone(&calls));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, calls)
}

fn open(endpoint: &str, more: &[&str]) -> Media {
    let bucket = ["--s3-bucket", "images", "--s3-endpoint", endpoint, "--cloud-name", ""];
    let key = ["--aws-access-key-id", "AKIDEXAMPLE", "--aws-secret-access-key", "hunter2"];
    args(&[&bucket[..], &key, more].concat()).unwrap().open(Path::new("unused")).unwrap()
}

#[tokio::test]
async fn puts_and_deletes_with_signatures_and_headers() {
    let (endpoint, calls) = fake_s3().await;
    let media = open(&endpoint, &[]);
    assert_eq!(media.storage(), "s3");
    let image = encoded_image().await;
    let key = key(&image);
    let paths = [format!("/images/products/{}-400.jpg", key.id), format!("/images/products/{}.jpg", key.id)];

    let urls = media.put(&key, image.clone()).await.unwrap();
    let [thumbnail_url, url] = paths.clone().map(|path| format!("{endpoint}{path}"));
    assert_eq!(urls, ImageUrls { url, thumbnail_url });
    let mut put = std::mem::take(&mut *calls.lock().unwrap());
    put.sort();
    let expected =
        paths.clone().into_iter().zip([image.thumbnail, image.original]).map(|(path, body)| Call {
            method: "PUT".to_owned(),
            path,
            content_type: "image/jpeg".to_owned(),
            cache_control: "public, max-age=31536000, immutable".to_owned(),
            is_signed: true,
            body,
        });
    assert_eq!(put, Vec::from_iter(expected));

    media.delete(&key).await.unwrap();
    let mut deleted = std::mem::take(&mut *calls.lock().unwrap());
    deleted.sort();
    assert!(deleted.iter().all(|call| call.is_signed && call.method == "DELETE"), "{deleted:?}");
    assert_eq!(Vec::from_iter(deleted.into_iter().map(|call| call.path)), paths);
}

#[tokio::test]
async fn image_urls_start_with_the_public_url() {
    let (endpoint, _) = fake_s3().await;
    let media = open(&endpoint, &["--s3-public-url", "https://images.example.com/shop/"]);
    let image = encoded_image().await;
    let key = key(&image);
    let urls = media.put(&key, image).await.unwrap();
    assert_eq!(urls.url, format!("https://images.example.com/shop/{key}"));
    assert_eq!(urls.thumbnail_url, format!("https://images.example.com/shop/products/{}-400.jpg", key.id));
}
