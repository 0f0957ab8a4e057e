//! Files that are no pictures, or none that may be kept: each is refused by the name of its field, and nothing of it
//! stays.

use image::ImageFormat;
use reqwest::{Method, multipart::Form};
use serde_json::json;

use crate::harness::{
    images::{encoded, file, files, photograph, png},
    store::{Person, Response, Shop},
};

/// Bytes that a picture may have.
const MAX_BYTES: usize = 10 * 1024 * 1024;

/// A PNG that says it has so many pixels, and has none.
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

/// As chunks of a PNG have it.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// What is wrong, the file, and the status and code it is refused with.
fn bad() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
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
        ("nothing", Vec::new(), 415, "unsupported_image"),
        ("a page", b"<!doctype html><script>alert(1)</script>".into(), 415, "unsupported_image"),
        ("a PDF", b"%PDF-1.7\n1 0 obj".into(), 415, "unsupported_image"),
        ("a BMP", b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0".into(), 415, "unsupported_image"),
        ("text", b"a picture of a mug".into(), 415, "unsupported_image"),
        ("half a PNG", half(png()), 422, "invalid_image"),
        ("half a JPEG", half(photograph()), 422, "invalid_image"),
        ("half a GIF", half(encoded(64, 48, ImageFormat::Gif)), 422, "invalid_image"),
        ("half a WebP", half(encoded(64, 48, ImageFormat::WebP)), 422, "invalid_image"),
        ("a damaged PNG", damaged, 422, "invalid_image"),
        ("a script behind the begin of a GIF", b"GIF89a=1;alert(1)//".into(), 422, "invalid_image"),
        ("too wide", bomb(8193, 1), 422, "invalid_image"),
        ("too high", bomb(1, 8193), 422, "invalid_image"),
        ("a bomb", bomb(50_000, 50_000), 422, "invalid_image"),
        ("too many bytes", [png(), vec![0; MAX_BYTES]].concat(), 413, "image_too_large"),
    ]
}

/// Fails unless this field, and only this one, is refused so.
#[track_caller]
fn assert_refused(answer: Response, what: &str, status: u16, code: &str, field: &str) {
    assert_eq!(answer.refused_fields(), [field], "{what}: {answer:?}");
    answer.expect_problem(status, code);
}

#[tokio::test]
async fn what_is_no_picture_is_refused_by_the_name_of_its_field() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let ada = shop.register("ada").await;
    for (what, file, status, code) in bad() {
        let alone = shop.admin().add_images(mug, &[&file]).await;
        assert_refused(alone, what, status, code, "images[0]");
        let among = shop.admin().add_images(mug, &[&png(), &file, &png()]).await;
        assert_refused(among, what, status, code, "images[1]");
        assert_refused(ada.set_avatar(&file).await, what, status, code, "image");
    }
    let product = shop.guest().get(&format!("/api/products/{mug}")).await.expect(200).json;
    assert_eq!((&product["images"], &product["imageUrl"]), (&json!([]), &json!(null)), "all of them or none");
    assert_eq!(ada.get("/api/users/me").await.expect(200).json["avatarUrl"], json!(null));
    crate::harness::store::eventually("no file is left", async || files(&shop.pictures()).is_empty()).await;
    shop.verify().await;
}

/// A route that takes pictures, the name of its field, and who may.
fn uploads<'a>(
    shop: &'a Shop,
    ada: &'a Person,
    product: i64,
) -> [(Method, String, &'static str, &'a Person); 2] {
    [
        (Method::POST, format!("/api/products/{product}/images"), "images", shop.admin()),
        (Method::PUT, "/api/users/me/avatar".to_owned(), "image", ada),
    ]
}

#[tokio::test]
async fn an_upload_that_is_none_is_refused() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let ada = shop.register("ada").await;
    for (method, path, field, person) in uploads(&shop, &ada, mug) {
        let request = || person.request(method.clone(), &path);
        let typed = |media_type: &str, body: Vec<u8>| {
            person.send(request().header("content-type", media_type).body(body))
        };
        for answer in [
            person.send(request()).await,
            person.send(request().json(&json!({ field: "https://example.com/mug.jpg" }))).await,
            typed("image/png", png()).await,
            typed("application/x-www-form-urlencoded", b"image=x".to_vec()).await,
        ] {
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (415, "application/problem+json"),
                "{answer:?}"
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
            let answer = typed(media_type, body).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (400, "application/problem+json"),
                "{what}: {answer:?}"
            );
        }
        person.send(request().multipart(Form::new())).await.expect_refused(422, field);
        typed("multipart/form-data; boundary=x", Vec::new()).await.expect_refused(422, field);
        let text = Form::new().part(field, file(&png())).text("colour", "blue");
        person.send(request().multipart(text)).await.expect_refused(422, "colour");
    }
    let twice = Form::new().part("image", file(&png())).part("image", file(&png()));
    let request = ada.request(Method::PUT, "/api/users/me/avatar").multipart(twice);
    ada.send(request).await.expect_refused(422, "image");
    assert_eq!(ada.get("/api/users/me").await.expect(200).json["avatarUrl"], json!(null));
    crate::harness::store::eventually("no file is left", async || files(&shop.pictures()).is_empty()).await;
    shop.verify().await;
}

#[tokio::test]
async fn ten_pictures_come_at_once_and_a_product_has_room_for_twenty() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let picture = png();
    let add = async |count| shop.admin().add_images(mug, &vec![&*picture; count]).await;
    assert_refused(add(11).await, "at once", 422, "too_many_images", "images[10]");
    add(10).await.expect(201);
    add(9).await.expect(201);
    assert_refused(add(2).await, "in all", 422, "too_many_images", "images[1]");
    let full = add(1).await.expect(201).json;
    assert_eq!(full["images"].as_array().unwrap().len(), 20);
    shop.verify().await;
}

/// As many at once as ever come: memory is bounded, so some may have to come again, and nobody else is kept waiting.
#[tokio::test]
async fn many_large_uploads_at_once_are_taken_or_told_to_come_again() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let picture = encoded(1600, 1200, ImageFormat::Jpeg);
    let uploads = futures_util::future::join_all(
        (0..18).map(async |_| shop.admin().add_images(mug, &[&picture]).await),
    );
    let browse = async {
        for _ in 0..20 {
            shop.guest().get("/api/products").await.expect(200);
        }
    };
    let (answers, ()) = tokio::join!(uploads, browse);
    let taken = answers.iter().filter(|answer| answer.status == 201).count();
    let busy =
        answers.iter().filter(|answer| answer.status == 503 && !answer.header("retry-after").is_empty());
    assert!(taken > 0 && taken + busy.count() == answers.len(), "{answers:?}");
    let product = shop.guest().get(&format!("/api/products/{mug}")).await.expect(200).json;
    assert_eq!(product["images"].as_array().unwrap().len(), taken);
    shop.verify().await;
}
