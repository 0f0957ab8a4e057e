//! Pictures of products: lines 9, 59, 85, 87; rows `/api/products/{id}/images` of the contract.

use std::collections::BTreeSet;

use image::{GenericImageView as _, ImageFormat};
use serde_json::{Value, json};

use crate::harness::{
    images::{Found, PLACE, encoded, files, photograph, png},
    responses::{IMAGE, PRODUCT, assert_fields, pluck},
    store::{Shop, eventually},
};

fn images(product: &Value) -> &[Value] {
    product["images"].as_array().unwrap()
}

/// The file that a URL of ours leads to.
fn file_of(url: &Value) -> String {
    let url = url.as_str().unwrap();
    let (room, file) = url.rsplit_once('/').unwrap();
    assert_eq!(room, "/media/products", "{url}");
    file.to_owned()
}

/// The files that pictures lead to.
fn files_of(images: &[Value]) -> BTreeSet<String> {
    images.iter().flat_map(|image| [&image["url"], &image["thumbnailUrl"]].map(file_of)).collect()
}

/// Fails unless a browser takes it for a picture of this type, once and for all, and for nothing else.
#[track_caller]
fn assert_only_a_picture(found: &Found, media_type: &str) {
    assert_eq!(found.header("content-type"), media_type);
    assert_eq!(found.header("x-content-type-options"), "nosniff");
    assert!(found.header("content-security-policy").contains("default-src 'none'"), "{:?}", found.headers);
    let cache = found.header("cache-control");
    assert!(["public", "max-age=31536000", "immutable"].iter().all(|word| cache.contains(word)), "{cache}");
}

#[tokio::test]
async fn pictures_are_shown_in_the_order_they_came_with_thumbnails_and_the_first_is_the_one_to_show() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let path = format!("/api/products/{mug}");
    let (gif, webp) = (encoded(30, 20, ImageFormat::Gif), encoded(640, 10, ImageFormat::WebP));

    let added = shop.admin().add_images(mug, &[&photograph(), &png()]).await.expect(201);
    assert_fields(&added.json, PRODUCT);
    images(&added.json).iter().for_each(|image| assert_fields(image, IMAGE));
    assert_eq!(images(&added.json).len(), 2);
    assert_eq!(added.json["imageUrl"], images(&added.json)[0]["url"]);
    let more = shop.admin().add_images(mug, &[&gif, &webp]).await.expect(201).json;
    assert_eq!(images(&more)[..2], *images(&added.json), "new ones come behind those there are");
    assert_eq!(shop.guest().get(&path).await.expect(200).json, more);
    let listed = shop.guest().get("/api/products").await.expect(200);
    assert_eq!(listed.items(), std::slice::from_ref(&more));

    let expected = [
        ((1200, 900), "image/jpeg"),
        ((64, 48), "image/png"),
        ((30, 20), "image/png"),
        ((640, 10), "image/jpeg"),
    ];
    for (image, (size, media_type)) in images(&more).iter().zip(expected) {
        let whole = shop.guest().look_at(image["url"].as_str().unwrap()).await;
        assert_only_a_picture(&whole, media_type);
        assert_eq!(whole.image().dimensions(), size);
        let small = shop.guest().look_at(image["thumbnailUrl"].as_str().unwrap()).await;
        assert_only_a_picture(&small, media_type);
        let (width, height) = small.image().dimensions();
        assert!(width.max(height) == size.0.max(size.1).min(400), "{width} x {height}");
    }
    let ada = shop.register("ada").await;
    ada.add_to_cart(mug, 1).await.expect(200);
    assert_eq!(ada.get("/api/cart").await.expect(200).json["products"][0]["imageUrl"], more["imageUrl"]);
    shop.verify().await;
}

#[tokio::test]
async fn a_picture_from_elsewhere_stays_where_it_is_and_the_first() {
    let shop = Shop::start().await;
    let body = json!({"name": "Mug", "price": 1, "stock": 1, "imageUrl": "https://example.com/mug.jpg"});
    let mug = shop.admin().post("/api/products", body).await.expect(201).json["id"].as_i64().unwrap();
    let product = shop.admin().add_images(mug, &[&png()]).await.expect(201).json;
    assert_eq!(product["imageUrl"], "https://example.com/mug.jpg");
    let elsewhere = &images(&product)[0];
    assert_eq!(elsewhere["thumbnailUrl"], elsewhere["url"]);
    let path = format!("/api/products/{mug}/images/{}", elsewhere["id"]);
    shop.admin().delete(&path).await.expect(204);
    let left = shop.guest().get(&format!("/api/products/{mug}")).await.expect(200).json;
    assert_eq!(left["imageUrl"], images(&product)[1]["url"]);
    shop.verify().await;
}

#[tokio::test]
async fn nothing_is_kept_of_a_photograph_but_what_it_shows() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let mut hiding = png();
    hiding.extend(b"<script>alert(document.cookie)</script>");
    let taken = photograph();
    assert!(taken.windows(PLACE.len()).any(|window| window == PLACE), "there is something to lose");
    let product = shop.admin().add_images(mug, &[&taken, &hiding]).await.expect(201).json;
    for image in images(&product) {
        for url in [&image["url"], &image["thumbnailUrl"]] {
            let found = shop.guest().look_at(url.as_str().unwrap()).await;
            assert!(
                !found.contains(PLACE) && !found.contains(b"Exif") && !found.contains(b"script"),
                "{url}"
            );
        }
    }
    assert_eq!(files(&shop.pictures()), files_of(images(&product)));
}

#[tokio::test]
async fn a_picture_that_was_removed_is_gone_from_the_product_and_from_the_shop() {
    let shop = Shop::start().await;
    let admin = shop.admin();
    let mug = admin.create_product("Mug", "19.99", 5).await;
    let pot = admin.create_product("Pot", "45", 5).await;
    let product = admin.add_images(mug, &[&png(), &photograph(), &png()]).await.expect(201).json;
    let [first, second, third] = images(&product) else { panic!("{product}") };
    let path = |product: i64, image: &Value| format!("/api/products/{product}/images/{}", image["id"]);

    admin.delete(&path(pot, first)).await.expect_problem(404, "image_not_found");
    assert_eq!(admin.delete(&path(mug, first)).await.expect(204).text, "");
    admin.delete(&path(mug, first)).await.expect_problem(404, "image_not_found");
    admin.delete(&path(999, second)).await.expect_problem(404, "product_not_found");
    let left = shop.guest().get(&format!("/api/products/{mug}")).await.expect(200).json;
    assert_eq!(pluck(images(&left), "id"), [&second["id"], &third["id"]]);
    assert_eq!(left["imageUrl"], second["url"]);
    assert!(left["updatedAt"].as_str() > product["updatedAt"].as_str());

    let rest = files_of(images(&left));
    eventually("the files of the picture are gone", async || files(&shop.pictures()) == rest).await;
    shop.guest().get(first["url"].as_str().unwrap()).await.expect(404);
    shop.verify().await;
}

#[tokio::test]
async fn the_pictures_of_a_product_go_with_it() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let path = format!("/api/products/{mug}");
    shop.admin().add_images(mug, &[&png(), &photograph()]).await.expect(201);
    assert_eq!(files(&shop.pictures()).len(), 4);
    shop.admin().delete(&path).await.expect(204);
    eventually("no file is left", async || files(&shop.pictures()).is_empty()).await;
    shop.admin().add_images(mug, &[&png()]).await.expect_problem(404, "product_not_found");
    eventually("nor of what came too late", async || files(&shop.pictures()).is_empty()).await;
    shop.verify().await;
}

#[tokio::test]
async fn pictures_that_come_at_once_are_all_there() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let picture = png();
    let added =
        futures_util::future::join_all((0..6).map(async |_| shop.admin().add_images(mug, &[&picture]).await))
            .await;
    added.into_iter().for_each(|answer| drop(answer.expect(201)));
    let product = shop.guest().get(&format!("/api/products/{mug}")).await.expect(200).json;
    assert_eq!(images(&product).len(), 6);
    assert_eq!(files(&shop.pictures()), files_of(images(&product)));
    shop.verify().await;
}

/// Nothing but pictures is to be had under `/media`.
#[tokio::test]
async fn no_way_leads_out_of_the_pictures() {
    let shop = Shop::start().await;
    let secret = shop.pictures().parent().unwrap().join("secret of a test");
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
        let found = shop.guest().get(path).await;
        assert!([400, 404].contains(&found.status) && !found.text.contains("secret"), "{found:?}");
        assert_eq!(found.header("content-type"), "application/problem+json", "{found:?}");
    }
    std::fs::remove_file(secret).unwrap();
}
