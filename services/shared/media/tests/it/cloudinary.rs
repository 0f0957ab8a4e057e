//! Pictures at Cloudinary, seen by what stands in for it.

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

use crate::pictures::{args, key, picture, quarters};

const SECRET: &str = "hunter2";

/// What is kept, by its public id: the content type and the bytes.
type Kept = Arc<Mutex<BTreeMap<String, (String, Bytes)>>>;
type Answer = (StatusCode, Json<Value>);

/// Answers as Cloudinary does to what is signed as it wants.
async fn answer(
    State(kept): State<Kept>,
    UrlPath((cloud, action)): UrlPath<(String, String)>,
    mut form: Multipart,
) -> Answer {
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
    if let Err(message) = check(params.clone()) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": {"message": message}})));
    }
    let id = params["public_id"].clone();
    let mut kept = kept.lock().unwrap();
    let answer = match action.as_str() {
        "upload" => {
            let (content_type, bytes) = file.unwrap();
            let extension = content_type.trim_start_matches("image/").replace("jpeg", "jpg");
            kept.insert(id.clone(), (content_type, bytes));
            let url = format!("https://res.cloudinary.example/{cloud}/image/upload/v17/{id}.{extension}");
            json!({"public_id": id, "version": 17, "secure_url": url, "format": extension})
        }
        "destroy" if params.get("invalidate").is_some_and(|value| value == "true") => {
            match kept.remove(&id) {
                Some(_) => json!({"result": "ok"}),
                None => json!({"result": "not found"}),
            }
        }
        _ => json!({"result": "error"}),
    };
    (StatusCode::OK, Json(answer))
}

fn check(mut params: BTreeMap<String, String>) -> Result<(), String> {
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

async fn stand_in() -> (String, Kept) {
    let kept = Kept::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/v1_1/{cloud}/image/{action}", post(answer)).with_state(Arc::clone(&kept));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, kept)
}

fn open(url: &str, secret: &str) -> Media {
    let account = ["--cloud-name", "demo", "--cloud-api-key", "314159", "--cloud-api-secret", secret];
    args(&[&account[..], &["--cloudinary-url", url, "--s3-bucket", ""]].concat())
        .unwrap()
        .open(Path::new("unused"))
        .unwrap()
}

#[tokio::test]
async fn a_picture_is_uploaded_once_and_shown_in_two_sizes() {
    let (url, kept) = stand_in().await;
    let media = open(&url, SECRET);
    assert_eq!(media.storage(), "cloudinary");
    let picture = picture().await;
    let key = key(&picture);
    let id = format!("bodega/products/{}", key.id);

    let links = media.put(&key, picture.clone()).await.unwrap();
    let base = "https://res.cloudinary.example/demo/image/upload";
    assert_eq!(links.url, format!("{base}/v17/{id}.jpg"));
    assert_eq!(links.thumbnail_url, format!("{base}/c_limit,h_400,w_400/v17/{id}.jpg"));
    let expected = ("image/jpeg".to_owned(), picture.original);
    assert_eq!(*kept.lock().unwrap(), BTreeMap::from([(id, expected)]));

    media.delete(&key).await.unwrap();
    assert!(kept.lock().unwrap().is_empty());
    media.delete(&key).await.unwrap();
}

#[tokio::test]
async fn a_png_stays_one() {
    let (url, kept) = stand_in().await;
    let media = open(&url, SECRET);
    let bytes = crate::pictures::file(&quarters(20, 20), image::ImageFormat::Png);
    let picture: EncodedImage = crate::pictures::take_in(&media, &bytes).await.unwrap();
    let key = key(&picture);
    let links = media.put(&key, picture).await.unwrap();
    assert!(links.url.ends_with(".png"), "{links:?}");
    assert!(kept.lock().unwrap().values().all(|(content_type, _)| content_type == "image/png"));
}

#[tokio::test]
async fn a_wrong_secret_is_an_error_that_says_what_cloudinary_says() {
    let (url, kept) = stand_in().await;
    let media = open(&url, "not it");
    let picture = picture().await;
    let key = key(&picture);
    let error = media.put(&key, picture).await.unwrap_err().to_string();
    assert!(error.contains("401 Unauthorized to upload: Invalid Signature"), "{error}");
    assert!(!error.contains("not it"), "{error}");
    media.delete(&key).await.unwrap_err();
    assert!(kept.lock().unwrap().is_empty());
}
