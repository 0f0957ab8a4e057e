//! Images of products: accepted form fields, and what catalog receives.

use bodega_proto::catalog::v1::{
    AddProductImagesRequest, AddProductImagesResponse, Image, Product, RemoveProductImageRequest,
    RemoveProductImageResponse,
};
use bodega_runtime::status;
use http::Method;
use reqwest::multipart::{Form, Part};
use serde_json::json;
use tonic::{Code, Streaming};

use crate::{
    products::mug,
    shop::{Answer, Answered as _, Shop},
    uploads::{Uploads, form},
};

const PATH: &str = "/api/products/3/images";

fn file(bytes: &[u8]) -> Part {
    Part::bytes(bytes.to_vec()).file_name("../../etc/passwd").mime_str("text/html").unwrap()
}

async fn add(shop: &Shop, form: Form) -> Answer {
    shop.request(Method::POST, PATH).bearer_auth(shop.identity.admin()).multipart(form).answer().await
}

/// Sends a body as it is.
async fn add_raw(shop: &Shop, content_type: &str, body: Vec<u8>) -> Answer {
    let request = shop.request(Method::POST, PATH).bearer_auth(shop.identity.admin());
    request.header("content-type", content_type).body(body).answer().await
}

#[tokio::test]
async fn forwards_images_byte_for_byte_in_the_order_of_the_form() {
    let shop = Shop::open().await;
    let uploads = Uploads::taken_by(&shop.catalog);
    let sizes = [5, 0, 1, 65_535, 65_536, 65_537, 0, 400_000, 131_072, 3];
    let images: Vec<Vec<u8>> = (0_u8..).zip(sizes).map(|(index, size)| vec![index; size]).collect();
    let form = images.iter().fold(Form::new(), |form, image| form.part("images", file(image)));
    assert_eq!(add(&shop, form).await.status, 201);
    let upload = uploads.last().await;
    assert!(upload.pictures == images, "{:?}", upload.pictures.iter().map(Vec::len).collect::<Vec<_>>());
    assert!(upload.whole);
}

#[tokio::test]
async fn returns_the_product_and_its_location() {
    let shop = Shop::open().await;
    shop.catalog.on_stream("AddProductImages", |mut stream: Streaming<AddProductImagesRequest>| async move {
        while stream.message().await?.is_some() {}
        let image = |id| Image { id, url: format!("/media/{id}"), thumbnail_url: format!("/media/{id}-400") };
        Ok(AddProductImagesResponse { product: Some(Product { images: vec![image(5), image(6)], ..mug() }) })
    });
    let answer = add(&shop, Form::new().part("images", file(b"a"))).await;
    assert_eq!((answer.status, answer.header("location")), (201, "/api/products/3"));
    assert_eq!(answer.header("etag"), "\"7\"");
    let product = answer.json();
    assert_eq!((&product["id"], &product["imageUrl"]), (&json!(3), &json!("/media/5")));
    let expected = json!([
        {"id": 5, "url": "/media/5", "thumbnailUrl": "/media/5-400"},
        {"id": 6, "url": "/media/6", "thumbnailUrl": "/media/6-400"}
    ]);
    assert_eq!(product["images"], expected);
}

#[tokio::test]
async fn accepts_other_names_of_the_field() {
    let shop = Shop::open().await;
    let uploads = Uploads::taken_by(&shop.catalog);
    let fields = ["image", "images[]", "images"];
    let form = fields.iter().fold(Form::new(), |form, field| form.part(*field, file(field.as_bytes())));
    assert_eq!(add(&shop, form).await.status, 201);
    assert_eq!(uploads.last().await.pictures, fields.map(|field| field.as_bytes().to_vec()));
    let body = form_with_quoted_boundary();
    assert_eq!(add_raw(&shop, "Multipart/Form-Data; charset=utf-8; BOUNDARY=\"x\"", body).await.status, 201);
}

fn form_with_quoted_boundary() -> Vec<u8> {
    form(&[("images", Some("a"), b"a")])
}

#[tokio::test]
async fn names_an_invalid_field_and_adds_no_image() {
    let shop = Shop::open().await;
    let uploads = Uploads::taken_by(&shop.catalog);
    let good = || Form::new().part("images", file(b"a"));
    for (form, field) in [
        (Form::new(), "images"),
        (Form::new().text("images", "https://example.com/mug.jpg"), "images"),
        (Form::new().part("images", Part::bytes(vec![]).file_name("")), "images"),
        (good().part("images[]", Part::bytes(vec![1])), "images[]"),
        (good().part("picture", file(b"a")), "picture"),
        (good().text("caption", "A mug"), "caption"),
        (Form::new().text("productId", "4").part("images", file(b"a")), "productId"),
    ] {
        let answer = add(&shop, form).await;
        assert_eq!(answer.refused_field(422, "invalid_field"), field, "{answer:?}");
        assert!(!uploads.last().await.whole, "{field}");
    }
}

#[tokio::test]
async fn rejects_other_content_types_with_the_expected_one() {
    let shop = Shop::open().await;
    let uploads = Uploads::taken_by(&shop.catalog);
    let body = || form(&[("images", Some("a"), b"a")]);
    for content_type in
        ["image/png", "application/json", "multipart/mixed; boundary=x", "multipart/form-datas", "", "\u{e9}"]
    {
        let answer = add_raw(&shop, content_type, body()).await;
        let problem = answer.problem(415, "unsupported_media_type");
        assert!(problem["detail"].as_str().unwrap().contains("multipart/form-data"), "{problem}");
    }
    let request = shop.request(Method::POST, PATH).bearer_auth(shop.identity.admin());
    request.body(body()).answer().await.problem(415, "unsupported_media_type");
    for content_type in
        ["multipart/form-data", "multipart/form-data; boundary", "multipart/form-data; charset=utf-8"]
    {
        let answer = add_raw(&shop, content_type, body()).await;
        assert_eq!(answer.refused_field(400, "malformed_request"), "content-type", "{content_type}");
    }
    assert_eq!(uploads.count(), 0);
}

#[tokio::test]
async fn only_admins_add_and_delete_images() {
    let shop = Shop::open().await;
    let uploads = Uploads::taken_by(&shop.catalog);
    for (method, path) in [(Method::POST, PATH), (Method::DELETE, "/api/products/3/images/5")] {
        let request = || shop.request(method.clone(), path).multipart(Form::new().part("images", file(b"a")));
        request().answer().await.problem(401, "unauthenticated");
        request().bearer_auth("nonsense").answer().await.problem(401, "invalid_token");
        request().bearer_auth(shop.identity.user()).answer().await.problem(403, "admin_only");
    }
    assert_eq!(uploads.count(), 0);
}

#[tokio::test]
async fn names_the_field_of_an_image_that_catalog_rejects() {
    let shop = Shop::open().await;
    for (code, reason, status) in [
        (Code::InvalidArgument, "unsupported_image", 415),
        (Code::InvalidArgument, "image_too_large", 413),
        (Code::InvalidArgument, "invalid_image", 422),
        (Code::InvalidArgument, "too_many_images", 422),
        (Code::PermissionDenied, "admin_only", 403),
        (Code::NotFound, "product_not_found", 404),
    ] {
        shop.catalog.on_stream("AddProductImages", move |_: Streaming<AddProductImagesRequest>| async move {
            let message = "is not right".to_owned();
            Err::<AddProductImagesResponse, _>(status::rejected_field(code, reason, "images[1]", message))
        });
        let answer = add(&shop, Form::new().part("images", file(b"a")).part("images", file(b"b"))).await;
        assert_eq!(answer.refused_field(status, reason), "images[1]");
    }
}

#[tokio::test]
async fn deletes_an_image_by_id() {
    let shop = Shop::open().await;
    let removed =
        shop.catalog.on("RemoveProductImage", |request: RemoveProductImageRequest| match request.image_id {
            5 => Ok(RemoveProductImageResponse {}),
            _ => Err(status::rejected(Code::NotFound, "image_not_found", "image not found")),
        });
    let remove =
        |path: String| shop.request(Method::DELETE, &path).bearer_auth(shop.identity.admin()).answer();
    let answer = remove(format!("{PATH}/5")).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(removed.last(), RemoveProductImageRequest { product_id: 3, image_id: 5 });
    remove(format!("{PATH}/{}", i64::MAX)).await.problem(404, "image_not_found");
    for (path, field) in [
        ("/api/products/x/images/5", "id"),
        ("/api/products/%ff/images/5", "id"),
        ("/api/products/3/images/x", "imageId"),
        ("/api/products/3/images/%ff", "imageId"),
        ("/api/products/3/images/9223372036854775808", "imageId"),
    ] {
        assert_eq!(remove(path.to_owned()).await.refused_field(400, "malformed_request"), field, "{path}");
    }
}
