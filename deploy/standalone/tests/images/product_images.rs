//! Images of products.

use std::collections::BTreeSet;

use image::{GenericImageView as _, ImageFormat};
use serde_json::{Value, json};

use crate::harness::{
    images::{FetchedImage, LOCATION, encoded, files, photo_with_location, png},
    responses::{IMAGE, PRODUCT_WITH_VARIANTS, assert_fields, pluck},
    store::{TestStore, eventually},
};

fn images(product: &Value) -> &[Value] {
    product["images"].as_array().unwrap()
}

/// The file behind an image URL of the store.
fn file_of(url: &Value) -> String {
    let url = url.as_str().unwrap();
    let (room, file) = url.rsplit_once('/').unwrap();
    assert_eq!(room, "/media/products", "{url}");
    file.to_owned()
}

/// The files behind these images.
fn files_of(images: &[Value]) -> BTreeSet<String> {
    images.iter().flat_map(|image| [&image["url"], &image["thumbnailUrl"]].map(file_of)).collect()
}

/// Asserts the headers: this content type, cached forever, never interpreted as anything else.
#[track_caller]
fn assert_image_headers(found: &FetchedImage, media_type: &str) {
    assert_eq!(found.header("content-type"), media_type);
    assert_eq!(found.header("x-content-type-options"), "nosniff");
    assert!(found.header("content-security-policy").contains("default-src 'none'"), "{:?}", found.headers);
    let cache = found.header("cache-control");
    assert!(["public", "max-age=31536000", "immutable"].iter().all(|word| cache.contains(word)), "{cache}");
}

#[tokio::test]
async fn lists_images_in_upload_order_with_thumbnails() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let path = format!("/api/products/{mug}");
    let (gif, webp) = (encoded(30, 20, ImageFormat::Gif), encoded(640, 10, ImageFormat::WebP));

    let added = store.admin().add_images(mug, &[&photo_with_location(), &png()]).await.expect(201);
    assert_fields(&added.json, PRODUCT_WITH_VARIANTS);
    images(&added.json).iter().for_each(|image| assert_fields(image, IMAGE));
    assert_eq!(images(&added.json).len(), 2);
    assert_eq!(added.json["imageUrl"], images(&added.json)[0]["url"]);
    let more = store.admin().add_images(mug, &[&gif, &webp]).await.expect(201).json;
    assert_eq!(images(&more)[..2], *images(&added.json), "new products are appended");
    assert_eq!(store.guest().get(&path).await.expect(200).json, more);
    let listed = store.guest().get("/api/products?include=variants").await.expect(200);
    assert_eq!(listed.items(), std::slice::from_ref(&more));

    let expected = [
        ((1200, 900), "image/jpeg"),
        ((64, 48), "image/png"),
        ((30, 20), "image/png"),
        ((640, 10), "image/jpeg"),
    ];
    for (image, (size, media_type)) in images(&more).iter().zip(expected) {
        let whole = store.guest().fetch_image(image["url"].as_str().unwrap()).await;
        assert_image_headers(&whole, media_type);
        assert_eq!(whole.image().dimensions(), size);
        let small = store.guest().fetch_image(image["thumbnailUrl"].as_str().unwrap()).await;
        assert_image_headers(&small, media_type);
        let (width, height) = small.image().dimensions();
        assert!(width.max(height) == size.0.max(size.1).min(400), "{width} x {height}");
    }
    let ada = store.register("ada").await;
    ada.add_to_cart(mug, 1).await.expect(200);
    assert_eq!(ada.get("/api/cart").await.expect(200).json["products"][0]["imageUrl"], more["imageUrl"]);
    store.verify().await;
}

#[tokio::test]
async fn an_external_image_url_stays_the_first_image() {
    let store = TestStore::start().await;
    let body = json!({"name": "Mug", "price": 1, "stock": 1, "imageUrl": "https://example.com/mug.jpg"});
    let mug = store.admin().post("/api/products", body).await.expect(201).json["id"].as_i64().unwrap();
    let product = store.admin().add_images(mug, &[&png()]).await.expect(201).json;
    assert_eq!(product["imageUrl"], "https://example.com/mug.jpg");
    let external = &images(&product)[0];
    assert_eq!(external["thumbnailUrl"], external["url"]);
    let path = format!("/api/products/{mug}/images/{}", external["id"]);
    store.admin().delete(&path).await.expect(204);
    let left = store.guest().get(&format!("/api/products/{mug}")).await.expect(200).json;
    assert_eq!(left["imageUrl"], images(&product)[1]["url"]);
    store.verify().await;
}

#[tokio::test]
async fn strips_metadata_from_photos() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let mut hiding = png();
    hiding.extend(b"<script>alert(document.cookie)</script>");
    let taken = photo_with_location();
    assert!(taken.windows(LOCATION.len()).any(|window| window == LOCATION), "the store has data");
    let product = store.admin().add_images(mug, &[&taken, &hiding]).await.expect(201).json;
    for image in images(&product) {
        for url in [&image["url"], &image["thumbnailUrl"]] {
            let found = store.guest().fetch_image(url.as_str().unwrap()).await;
            assert!(
                !found.contains(LOCATION) && !found.contains(b"Exif") && !found.contains(b"script"),
                "{url}"
            );
        }
    }
    assert_eq!(files(&store.image_dir()), files_of(images(&product)));
}

#[tokio::test]
async fn deleting_an_image_deletes_its_files() {
    let store = TestStore::start().await;
    let admin = store.admin();
    let mug = admin.create_product("Mug", "19.99", 5).await;
    let pot = admin.create_product("Pot", "45", 5).await;
    let product = admin.add_images(mug, &[&png(), &photo_with_location(), &png()]).await.expect(201).json;
    let [first, second, third] = images(&product) else { panic!("{product}") };
    let path = |product: i64, image: &Value| format!("/api/products/{product}/images/{}", image["id"]);

    admin.delete(&path(pot, first)).await.expect_problem(404, "image_not_found");
    assert_eq!(admin.delete(&path(mug, first)).await.expect(204).text, "");
    admin.delete(&path(mug, first)).await.expect_problem(404, "image_not_found");
    admin.delete(&path(999, second)).await.expect_problem(404, "product_not_found");
    let left = store.guest().get(&format!("/api/products/{mug}")).await.expect(200).json;
    assert_eq!(pluck(images(&left), "id"), [&second["id"], &third["id"]]);
    assert_eq!(left["imageUrl"], second["url"]);
    assert!(left["updatedAt"].as_str() > product["updatedAt"].as_str());

    let rest = files_of(images(&left));
    eventually("the files of the image are deleted", async || files(&store.image_dir()) == rest).await;
    store.guest().get(first["url"].as_str().unwrap()).await.expect(404);
    store.verify().await;
}

#[tokio::test]
async fn deleting_a_product_deletes_its_images() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let path = format!("/api/products/{mug}");
    store.admin().add_images(mug, &[&png(), &photo_with_location()]).await.expect(201);
    assert_eq!(files(&store.image_dir()).len(), 4);
    store.admin().delete(&path).await.expect(204);
    eventually("no file is left", async || files(&store.image_dir()).is_empty()).await;
    store.admin().add_images(mug, &[&png()]).await.expect_problem(404, "product_not_found");
    eventually("a late upload leaves no file", async || files(&store.image_dir()).is_empty()).await;
    store.verify().await;
}

#[tokio::test]
async fn concurrent_image_uploads_are_all_stored() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let image = png();
    let added =
        futures_util::future::join_all((0..6).map(async |_| store.admin().add_images(mug, &[&image]).await))
            .await;
    added.into_iter().for_each(|response| drop(response.expect(201)));
    let product = store.guest().get(&format!("/api/products/{mug}")).await.expect(200).json;
    assert_eq!(images(&product).len(), 6);
    assert_eq!(files(&store.image_dir()), files_of(images(&product)));
    store.verify().await;
}

/// `/media` serves images only.
#[tokio::test]
async fn rejects_path_traversal_under_media() {
    let store = TestStore::start().await;
    let secret = store.image_dir().parent().unwrap().join("secret of a test");
    std::fs::write(&secret, "secret").unwrap();
    for path in [
        "/media",
        "/media/",
        "/media/products",
        "/media/products/",
        "/media/../secret%20of%20a%20test",
        "/media/%2e%2e/secret%20of%20a%20test",
        "/media/%2e%2e%2fsecret%20of%20a%20test",
        "/media/products/..%2f..%2fsecret%20of%20a%20test",
        "/media//etc/passwd",
        "/media/%2fetc%2fpasswd",
        "/media/products/x.jpg",
        "/media/products/%00",
        "/media/%ff",
    ] {
        let found = store.guest().get(path).await;
        assert!([400, 404].contains(&found.status) && !found.text.contains("secret"), "{found:?}");
        assert_eq!(found.header("content-type"), "application/problem+json", "{found:?}");
    }
    std::fs::remove_file(secret).unwrap();
}
