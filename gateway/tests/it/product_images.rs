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
    test_app::{SendRequest as _, TestApp, TestResponse},
    uploads::{Uploads, form},
};

const PATH: &str = "/api/products/3/images";

fn file(bytes: &[u8]) -> Part {
    Part::bytes(bytes.to_vec()).file_name("../../etc/passwd").mime_str("text/html").unwrap()
}

async fn add(gateway: &TestApp, form: Form) -> TestResponse {
    gateway.request(Method::POST, PATH).bearer_auth(gateway.identity.admin()).multipart(form).fetch().await
}

/// Sends a body as it is.
async fn add_raw(gateway: &TestApp, content_type: &str, body: Vec<u8>) -> TestResponse {
    let request = gateway.request(Method::POST, PATH).bearer_auth(gateway.identity.admin());
    request.header("content-type", content_type).body(body).fetch().await
}

#[tokio::test]
async fn forwards_images_byte_for_byte_in_the_order_of_the_form() {
    let gateway = TestApp::start().await;
    let uploads = Uploads::record(&gateway.catalog);
    let sizes = [5, 0, 1, 65_535, 65_536, 65_537, 0, 400_000, 131_072, 3];
    let images: Vec<Vec<u8>> = (0_u8..).zip(sizes).map(|(index, size)| vec![index; size]).collect();
    let form = images.iter().fold(Form::new(), |form, image| form.part("images", file(image)));
    assert_eq!(add(&gateway, form).await.status, 201);
    let upload = uploads.last().await;
    assert!(upload.images == images, "{:?}", upload.images.iter().map(Vec::len).collect::<Vec<_>>());
    assert!(upload.complete);
}

#[tokio::test]
async fn returns_the_product_and_its_location() {
    let gateway = TestApp::start().await;
    gateway.catalog.on_stream(
        "AddProductImages",
        |mut stream: Streaming<AddProductImagesRequest>| async move {
            while stream.message().await?.is_some() {}
            let image =
                |id| Image { id, url: format!("/media/{id}"), thumbnail_url: format!("/media/{id}-400") };
            Ok(AddProductImagesResponse {
                product: Some(Product { images: vec![image(5), image(6)], ..mug() }),
            })
        },
    );
    let response = add(&gateway, Form::new().part("images", file(b"a"))).await;
    assert_eq!((response.status, response.header("location")), (201, "/api/products/3"));
    assert_eq!(response.header("etag"), "\"7\"");
    let product = response.json();
    assert_eq!((&product["id"], &product["imageUrl"]), (&json!(3), &json!("/media/5")));
    let expected = json!([
        {"id": 5, "url": "/media/5", "thumbnailUrl": "/media/5-400"},
        {"id": 6, "url": "/media/6", "thumbnailUrl": "/media/6-400"}
    ]);
    assert_eq!(product["images"], expected);
}

#[tokio::test]
async fn accepts_other_names_of_the_field() {
    let gateway = TestApp::start().await;
    let uploads = Uploads::record(&gateway.catalog);
    let fields = ["image", "images[]", "images"];
    let form = fields.iter().fold(Form::new(), |form, field| form.part(*field, file(field.as_bytes())));
    assert_eq!(add(&gateway, form).await.status, 201);
    assert_eq!(uploads.last().await.images, fields.map(|field| field.as_bytes().to_vec()));
    let body = form_with_quoted_boundary();
    assert_eq!(
        add_raw(&gateway, "Multipart/Form-Data; charset=utf-8; BOUNDARY=\"x\"", body).await.status,
        201
    );
}

fn form_with_quoted_boundary() -> Vec<u8> {
    form(&[("images", Some("a"), b"a")])
}

#[tokio::test]
async fn names_an_invalid_field_and_adds_no_image() {
    let gateway = TestApp::start().await;
    let uploads = Uploads::record(&gateway.catalog);
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
        let response = add(&gateway, form).await;
        assert_eq!(response.rejected_field(422, "invalid_field"), field, "{response:?}");
        assert!(!uploads.last().await.complete, "{field}");
    }
}

#[tokio::test]
async fn rejects_other_content_types_with_the_expected_one() {
    let gateway = TestApp::start().await;
    let uploads = Uploads::record(&gateway.catalog);
    let body = || form(&[("images", Some("a"), b"a")]);
    for content_type in
        ["image/png", "application/json", "multipart/mixed; boundary=x", "multipart/form-datas", "", "\u{e9}"]
    {
        let response = add_raw(&gateway, content_type, body()).await;
        let problem = response.problem(415, "unsupported_media_type");
        assert!(problem["detail"].as_str().unwrap().contains("multipart/form-data"), "{problem}");
    }
    let request = gateway.request(Method::POST, PATH).bearer_auth(gateway.identity.admin());
    request.body(body()).fetch().await.problem(415, "unsupported_media_type");
    for content_type in
        ["multipart/form-data", "multipart/form-data; boundary", "multipart/form-data; charset=utf-8"]
    {
        let response = add_raw(&gateway, content_type, body()).await;
        assert_eq!(response.rejected_field(400, "malformed_request"), "content-type", "{content_type}");
    }
    assert_eq!(uploads.count(), 0);
}

#[tokio::test]
async fn only_admins_add_and_delete_images() {
    let gateway = TestApp::start().await;
    let uploads = Uploads::record(&gateway.catalog);
    for (method, path) in [(Method::POST, PATH), (Method::DELETE, "/api/products/3/images/5")] {
        let request =
            || gateway.request(method.clone(), path).multipart(Form::new().part("images", file(b"a")));
        request().fetch().await.problem(401, "unauthenticated");
        request().bearer_auth("nonsense").fetch().await.problem(401, "invalid_token");
        request().bearer_auth(gateway.identity.user()).fetch().await.problem(403, "admin_only");
    }
    assert_eq!(uploads.count(), 0);
}

#[tokio::test]
async fn names_the_field_of_an_image_that_catalog_rejects() {
    let gateway = TestApp::start().await;
    for (code, reason, status) in [
        (Code::InvalidArgument, "unsupported_image", 415),
        (Code::InvalidArgument, "image_too_large", 413),
        (Code::InvalidArgument, "invalid_image", 422),
        (Code::InvalidArgument, "too_many_images", 422),
        (Code::PermissionDenied, "admin_only", 403),
        (Code::NotFound, "product_not_found", 404),
    ] {
        gateway.catalog.on_stream(
            "AddProductImages",
            move |_: Streaming<AddProductImagesRequest>| async move {
                let message = "is invalid".to_owned();
                Err::<AddProductImagesResponse, _>(status::rejected_field(code, reason, "images[1]", message))
            },
        );
        let response = add(&gateway, Form::new().part("images", file(b"a")).part("images", file(b"b"))).await;
        assert_eq!(response.rejected_field(status, reason), "images[1]");
    }
}

#[tokio::test]
async fn deletes_an_image_by_id() {
    let gateway = TestApp::start().await;
    let removed =
        gateway.catalog.on("RemoveProductImage", |request: RemoveProductImageRequest| {
            match request.image_id {
                5 => Ok(RemoveProductImageResponse {}),
                _ => Err(status::rejected(Code::NotFound, "image_not_found", "image not found")),
            }
        });
    let remove =
        |path: String| gateway.request(Method::DELETE, &path).bearer_auth(gateway.identity.admin()).fetch();
    let response = remove(format!("{PATH}/5")).await;
    assert_eq!((response.status, response.text.as_str()), (204, ""));
    assert_eq!(removed.last(), RemoveProductImageRequest { product_id: 3, image_id: 5 });
    remove(format!("{PATH}/{}", i64::MAX)).await.problem(404, "image_not_found");
    for (path, field) in [
        ("/api/products/x/images/5", "id"),
        ("/api/products/%ff/images/5", "id"),
        ("/api/products/3/images/x", "imageId"),
        ("/api/products/3/images/%ff", "imageId"),
        ("/api/products/3/images/9223372036854775808", "imageId"),
    ] {
        assert_eq!(remove(path.to_owned()).await.rejected_field(400, "malformed_request"), field, "{path}");
    }
}
