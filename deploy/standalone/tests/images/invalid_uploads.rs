//! Invalid uploads: the rejection names the field, and nothing is stored.

use image::ImageFormat;
use reqwest::{Method, multipart::Form};
use serde_json::json;

use crate::harness::{
    images::{encoded, file, files, photo_with_location, png},
    store::{Client, Response, TestStore},
};

/// Maximum size of an image in bytes.
const MAX_BYTES: usize = 10 * 1024 * 1024;

/// A PNG whose header claims this size, without any pixels (a decompression bomb).
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend(b"\x08\x06\0\0\0");
    let checksum = crc32(&header);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(header);
    bytes.extend(checksum.to_be_bytes());
    bytes.extend(b"\0\0\0\0IEND\xaeB`\x82");
    bytes
}

/// The CRC of a PNG chunk.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// Invalid files: the defect, the file, and the expected status and code.
fn invalid_files() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let half = |whole: Vec<u8>| whole[..whole.len() / 2].to_vec();
    let mut damaged = png();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8].fill(0);
    vec![
        (
            "an SVG",
            br#"<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>"#.into(),
            415,
            "unsupported_image",
        ),
        ("an empty file", Vec::new(), 415, "unsupported_image"),
        ("a page", b"<!doctype html><script>alert(1)</script>".into(), 415, "unsupported_image"),
        ("a PDF", b"%PDF-1.7\n1 0 obj".into(), 415, "unsupported_image"),
        ("a BMP", b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0".into(), 415, "unsupported_image"),
        ("text", b"an image of a mug".into(), 415, "unsupported_image"),
        ("half a PNG", half(png()), 422, "invalid_image"),
        ("half a JPEG", half(photo_with_location()), 422, "invalid_image"),
        ("half a GIF", half(encoded(64, 48, ImageFormat::Gif)), 422, "invalid_image"),
        ("half a WebP", half(encoded(64, 48, ImageFormat::WebP)), 422, "invalid_image"),
        ("a damaged PNG", damaged, 422, "invalid_image"),
        ("a script after the start of a GIF", b"GIF89a=1;alert(1)//".into(), 422, "invalid_image"),
        ("too wide", bomb(8193, 1), 422, "invalid_image"),
        ("too high", bomb(1, 8193), 422, "invalid_image"),
        ("a bomb", bomb(50_000, 50_000), 422, "invalid_image"),
        ("too many bytes", [png(), vec![0; MAX_BYTES]].concat(), 413, "image_too_large"),
    ]
}

/// Asserts that this field, and only this one, is rejected with this status and code.
#[track_caller]
fn assert_rejected(response: Response, what: &str, status: u16, code: &str, field: &str) {
    assert_eq!(response.error_fields(), [field], "{what}: {response:?}");
    response.expect_problem(status, code);
}

#[tokio::test]
async fn rejects_files_that_are_not_images() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let ada = store.register("ada").await;
    for (what, file, status, code) in invalid_files() {
        let alone = store.admin().add_images(mug, &[&file]).await;
        assert_rejected(alone, what, status, code, "images[0]");
        let among = store.admin().add_images(mug, &[&png(), &file, &png()]).await;
        assert_rejected(among, what, status, code, "images[1]");
        assert_rejected(ada.set_avatar(&file).await, what, status, code, "image");
    }
    let product = store.guest().get(&format!("/api/products/{mug}")).await.expect(200).json;
    assert_eq!((&product["images"], &product["imageUrl"]), (&json!([]), &json!(null)), "all of them or none");
    assert_eq!(ada.get("/api/users/me").await.expect(200).json["avatarUrl"], json!(null));
    crate::harness::store::eventually("no file is left", async || files(&store.image_dir()).is_empty()).await;
    store.verify().await;
}

/// Upload routes: method, path, form field, and the client.
fn uploads<'a>(
    store: &'a TestStore,
    ada: &'a Client,
    product: i64,
) -> [(Method, String, &'static str, &'a Client); 2] {
    [
        (Method::POST, format!("/api/products/{product}/images"), "images", store.admin()),
        (Method::PUT, "/api/users/me/avatar".to_owned(), "image", ada),
    ]
}

#[tokio::test]
async fn rejects_malformed_uploads() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let ada = store.register("ada").await;
    for (method, path, field, client) in uploads(&store, &ada, mug) {
        let request = || client.request(method.clone(), &path);
        let typed = |media_type: &str, body: Vec<u8>| {
            client.send(request().header("content-type", media_type).body(body))
        };
        for response in [
            client.send(request()).await,
            client.send(request().json(&json!({ field: "https://example.com/mug.jpg" }))).await,
            typed("image/png", png()).await,
            typed("application/x-www-form-urlencoded", b"image=x".to_vec()).await,
        ] {
            assert_eq!(
                (response.status, response.header("content-type")),
                (415, "application/problem+json"),
                "{response:?}"
            );
        }
        let whole = [
            b"--x\r\ncontent-disposition: form-data; name=\"",
            field.as_bytes(),
            b"\"; filename=\"a\"\r\n\r\n",
        ];
        let whole = [&whole.concat(), &png()[..], b"\r\n--x--\r\n"].concat();
        for (what, media_type, body) in [
            ("no boundary", "multipart/form-data", whole.clone()),
            ("another boundary", "multipart/form-data; boundary=y", whole.clone()),
            ("broken off", "multipart/form-data; boundary=x", whole[..whole.len() - 20].to_vec()),
        ] {
            let response = typed(media_type, body).await;
            assert_eq!(
                (response.status, response.header("content-type")),
                (400, "application/problem+json"),
                "{what}: {response:?}"
            );
        }
        client.send(request().multipart(Form::new())).await.expect_field_error(422, field);
        typed("multipart/form-data; boundary=x", Vec::new()).await.expect_field_error(422, field);
        let text = Form::new().part(field, file(&png())).text("colour", "blue");
        client.send(request().multipart(text)).await.expect_field_error(422, "colour");
    }
    let twice = Form::new().part("image", file(&png())).part("image", file(&png()));
    let request = ada.request(Method::PUT, "/api/users/me/avatar").multipart(twice);
    ada.send(request).await.expect_field_error(422, "image");
    assert_eq!(ada.get("/api/users/me").await.expect(200).json["avatarUrl"], json!(null));
    crate::harness::store::eventually("no file is left", async || files(&store.image_dir()).is_empty()).await;
    store.verify().await;
}

#[tokio::test]
async fn limits_images_per_request_and_per_product() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let image = png();
    let add = async |count| store.admin().add_images(mug, &vec![&*image; count]).await;
    assert_rejected(add(11).await, "at once", 422, "too_many_images", "images[10]");
    add(10).await.expect(201);
    add(9).await.expect(201);
    assert_rejected(add(2).await, "in all", 422, "too_many_images", "images[1]");
    let full = add(1).await.expect(201).json;
    assert_eq!(full["images"].as_array().unwrap().len(), 20);
    store.verify().await;
}

/// Memory is bounded, so some uploads are rejected with `Retry-After`; other requests are not delayed.
#[tokio::test]
async fn concurrent_large_uploads_succeed_or_get_503() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let image = encoded(1600, 1200, ImageFormat::Jpeg);
    let uploads =
        futures_util::future::join_all((0..18).map(async |_| store.admin().add_images(mug, &[&image]).await));
    let browse = async {
        for _ in 0..20 {
            store.guest().get("/api/products").await.expect(200);
        }
    };
    let (responses, ()) = tokio::join!(uploads, browse);
    let taken = responses.iter().filter(|response| response.status == 201).count();
    let busy = responses
        .iter()
        .filter(|response| response.status == 503 && !response.header("retry-after").is_empty());
    assert!(taken > 0 && taken + busy.count() == responses.len(), "{responses:?}");
    let product = store.guest().get(&format!("/api/products/{mug}")).await.expect(200).json;
    assert_eq!(product["images"].as_array().unwrap().len(), taken);
    store.verify().await;
}
