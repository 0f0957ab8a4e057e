//! The Cloudinary storage, against a fake server.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Multipart, Path as UrlPath, State},
    http::StatusCode,
    routing::post,
};
use bodega_media::{EncodedImage, Media};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::images::{args, encoded_image, key, quarters};

const SECRET: &str = "hunter2";

/// Content type and bytes of each file by its public id.
type StoredFiles = Arc<Mutex<BTreeMap<String, (String, Bytes)>>>;
type FakeResponse = (StatusCode, Json<Value>);

/// Responds as Cloudinary does, and rejects invalid signatures.
async fn respond(
    State(stored): State<StoredFiles>,
    UrlPath((cloud, action)): UrlPath<(String, String)>,
    mut form: Multipart,
) -> FakeResponse {
    let mut params = BTreeMap::new();
    let mut file = None;
    while let Some(field) = form.next_field().await.unwrap() {
        let name = field.name().unwrap().to_owned();
        if name == "file" {
            file = Some((field.content_type().unwrap().to_owned(), field.bytes().await.unwrap()));
        } else {
            params.insert(name, field.text().await.unwrap());
        }
    }
    if let Err(message) = check_signature(params.clone()) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": {"message": message}})));
    }
    let id = params["public_id"].clone();
    let mut stored = stored.lock().unwrap();
    let response = match action.as_str() {
        "upload" => {
            let (content_type, bytes) = file.unwrap();
            let extension = content_type.trim_start_matches("image/").replace("jpeg", "jpg");
            stored.insert(id.clone(), (content_type, bytes));
            let url = format!("https://res.cloudinary.example/{cloud}/image/upload/v17/{id}.{extension}");
            json!({"public_id": id, "version": 17, "secure_url": url, "format": extension})
        }
        "destroy" if params.get("invalidate").is_some_and(|value| value == "true") => {
            match stored.remove(&id) {
                Some(_) => json!({"result": "ok"}),
                None => json!({"result": "not found"}),
            }
        }
        _ => json!({"result": "error"}),
    };
    (StatusCode::OK, Json(response))
}

fn check_signature(mut params: BTreeMap<String, String>) -> Result<(), String> {
    let signature = params.remove("signature").ok_or("no signature")?;
    if params.remove("api_key").as_deref() != Some("314159") {
        return Err("unknown api_key".to_owned());
    }
    let timestamp: u64 = params["timestamp"].parse().map_err(|_| "no timestamp")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    if now.abs_diff(timestamp) > 3600 {
        return Err("stale request".to_owned());
    }
    let signed = params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, (signed.clone() + SECRET).as_bytes());
    let expected: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if signature == expected {
        Ok(())
    } else {
        Err(format!("Invalid Signature. String to sign - '{signed}'."))
    }
}

async fn fake_cloudinary() -> (String, StoredFiles) {
    let stored = StoredFiles::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app =
        Router::new().route("/v1_1/{cloud}/image/{action}", post(respond)).with_state(Arc::clone(&stored));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, stored)
}

fn open(url: &str, secret: &str) -> Media {
    let account = ["--cloud-name", "demo", "--cloud-api-key", "314159", "--cloud-api-secret", secret];
    args(&[&account[..], &["--cloudinary-url", url, "--s3-bucket", ""]].concat())
        .unwrap()
        .open(Path::new("unused"))
        .unwrap()
}

#[tokio::test]
async fn uploads_once_and_derives_the_thumbnail_url() {
    let (url, stored) = fake_cloudinary().await;
    let media = open(&url, SECRET);
    assert_eq!(media.storage(), "cloudinary");
    let image = encoded_image().await;
    let key = key(&image);
    let id = format!("bodega/products/{}", key.id);

    let urls = media.put(&key, image.clone()).await.unwrap();
    let base = "https://res.cloudinary.example/demo/image/upload";
    assert_eq!(urls.url, format!("{base}/v17/{id}.jpg"));
    assert_eq!(urls.thumbnail_url, format!("{base}/c_limit,h_400,w_400/v17/{id}.jpg"));
    let expected = ("image/jpeg".to_owned(), image.original);
    assert_eq!(*stored.lock().unwrap(), BTreeMap::from([(id, expected)]));

    media.delete(&key).await.unwrap();
    assert!(stored.lock().unwrap().is_empty());
    media.delete(&key).await.unwrap();
}

#[tokio::test]
async fn stores_a_png_as_png() {
    let (url, stored) = fake_cloudinary().await;
    let media = open(&url, SECRET);
    let bytes = crate::images::file(&quarters(20, 20), image::ImageFormat::Png);
    let image: EncodedImage = crate::images::encode(&media, &bytes).await.unwrap();
    let key = key(&image);
    let urls = media.put(&key, image).await.unwrap();
    assert!(urls.url.ends_with(".png"), "{urls:?}");
    assert!(stored.lock().unwrap().values().all(|(content_type, _)| content_type == "image/png"));
}

#[tokio::test]
async fn returns_the_error_of_cloudinary_for_a_wrong_secret() {
    let (url, stored) = fake_cloudinary().await;
    let media = open(&url, "not it");
    let image = encoded_image().await;
    let key = key(&image);
    let error = media.put(&key, image).await.unwrap_err().to_string();
    assert!(error.contains("upload returned 401 Unauthorized: Invalid Signature"), "{error}");
    assert!(!error.contains("not it"), "{error}");
    media.delete(&key).await.unwrap_err();
    assert!(stored.lock().unwrap().is_empty());
}
