//! Products: conditional requests, and input.

use bodega_proto::catalog::v1::{
    Category, CreateProductRequest, CreateProductResponse, DeleteProductRequest, DeleteProductResponse,
    GetProductRequest, GetProductResponse, IdOrName, Image, ListProductsRequest, ListProductsResponse,
    Product, UpdateProductRequest, UpdateProductResponse, id_or_name,
};
use bodega_runtime::status::{self, Violations};
use http::Method;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::{
    fake_service::Calls,
    test_app::{SendRequest as _, TestApp, TestResponse},
};

/// A product with version 7.
pub(crate) fn mug() -> Product {
    Product {
        id: 3,
        name: "Mug".to_owned(),
        price_minor: 1250,
        currency: "USD".to_owned(),
        stock: 40,
        images: vec![Image { id: 11, url: "/mug.jpg".to_owned(), thumbnail_url: "/mug-400.jpg".to_owned() }],
        version: 7,
        ..Default::default()
    }
}

/// A gateway whose catalog has [`mug`], and the updates that catalog receives.
async fn gateway() -> (TestApp, Calls<UpdateProductRequest>) {
    let gateway = TestApp::start().await;
    gateway.catalog.on("GetProduct", |request: GetProductRequest| match request.id {
        3 => Ok(GetProductResponse { product: Some(mug()) }),
        _ => Err(status::rejected(Code::NotFound, "product_not_found", "product not found")),
    });
    let changes =
        gateway.catalog.on("UpdateProduct", |request: UpdateProductRequest| match request.expected_version {
            None | Some(7) => Ok(UpdateProductResponse { product: Some(Product { version: 8, ..mug() }) }),
            Some(_) => {
                Err(status::rejected(Code::Aborted, "version_mismatch", "the product is at version 7"))
            }
        });
    (gateway, changes)
}

async fn patch(gateway: &TestApp, id: i32, if_match: &str) -> TestResponse {
    let request = gateway.request(Method::PATCH, &format!("/api/products/{id}"));
    let request = request.bearer_auth(gateway.identity.admin()).header("if-match", if_match);
    request.json(&json!({"price": 9.99})).fetch().await
}

#[tokio::test]
async fn returns_304_for_a_product_that_the_client_has() {
    let (gateway, _) = gateway().await;
    for path in ["/api/products/3", "/products/3"] {
        let first = gateway.get(path).fetch().await;
        assert_eq!((first.status, first.header("etag")), (200, "\"7\""));
        assert_eq!(first.header("cache-control"), "no-cache");
        assert_eq!(first.json()["imageUrl"], "/mug.jpg");

        let again = gateway.get(path).header("if-none-match", "\"6\", W/\"7\"").fetch().await;
        assert_eq!((again.status, again.text.as_str()), (304, ""));
        assert_eq!((again.header("etag"), again.header("cache-control")), ("\"7\"", "no-cache"));
        assert!(again.varies_by("accept-encoding"));

        let other = gateway.get(path).header("if-none-match", "\"6\"").fetch().await;
        assert_eq!(other.status, 200);
    }
}

#[tokio::test]
async fn returns_304_for_a_list_until_it_changes() {
    let gateway = TestApp::start().await;
    let list = |next_cursor: &'static str| {
        move |_: ListProductsRequest| {
            Ok(ListProductsResponse { products: vec![mug()], next_cursor: next_cursor.to_owned() })
        }
    };
    for path in ["/api/products?limit=1", "/products?limit=1"] {
        gateway.catalog.on("ListProducts", list(""));
        let tag = gateway.get(path).fetch().await.header("etag").to_owned();
        let send = || async { gateway.get(path).header("if-none-match", &tag).fetch().await };
        assert_eq!(send().await.status, 304);
        gateway.catalog.on("ListProducts", list("more"));
        assert_eq!(send().await.status, 200);
    }
}

#[tokio::test]
async fn updates_only_the_version_of_if_match() {
    let (gateway, changes) = gateway().await;
    let changed = patch(&gateway, 3, "\"7\"").await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"8\""));
    assert_eq!(changes.last().expected_version, Some(7));
    patch(&gateway, 3, "\"6\"").await.problem(412, "version_mismatch");
    assert_eq!(changes.last().expected_version, Some(6));

    for any in ["*", " * "] {
        assert_eq!(patch(&gateway, 3, any).await.status, 200);
        assert_eq!(changes.last().expected_version, None);
    }
    assert_eq!(patch(&gateway, 3, "\"5\", \"7\"").await.status, 200);
    assert_eq!(changes.last().expected_version, Some(7));
}

#[tokio::test]
async fn rejects_an_if_match_that_no_version_matches() {
    let (gateway, changes) = gateway().await;
    for never in ["", "7", "W/\"7\"", "\"07\"", "\"abc\"", "\"7", "\"5\", \"6\"", "*, \"7\""] {
        patch(&gateway, 3, never).await.problem(412, "version_mismatch");
    }
    assert_eq!(changes.count(), 0);
    patch(&gateway, 4, "\"abc\"").await.problem(404, "product_not_found");
}

#[tokio::test]
async fn checks_permissions_before_if_match() {
    let (gateway, changes) = gateway().await;
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let request = || {
            let request = gateway.request(method.clone(), "/api/products/3").header("if-match", "\"abc\"");
            request.json(&json!({}))
        };
        request().fetch().await.problem(401, "unauthenticated");
        request().bearer_auth(gateway.identity.user()).fetch().await.problem(403, "admin_only");
    }
    assert_eq!(changes.count(), 0);
}

#[tokio::test]
async fn deletes_the_version_of_if_match() {
    let (gateway, _) = gateway().await;
    let deleted = gateway.catalog.on("DeleteProduct", |_: DeleteProductRequest| Ok(DeleteProductResponse {}));
    for path in ["/api/products/3", "/products/3"] {
        let request = gateway.request(Method::DELETE, path).bearer_auth(gateway.identity.admin());
        assert_eq!(request.header("if-match", "\"7\"").fetch().await.status, 204);
        assert_eq!(deleted.last(), DeleteProductRequest { id: 3, expected_version: Some(7) });
    }
}

#[tokio::test]
async fn names_a_field_that_catalog_rejects_as_in_the_request() {
    let gateway = TestApp::start().await;
    gateway.catalog.on("UpdateProduct", |_: UpdateProductRequest| {
        let mut violations = Violations::new();
        for field in ["price_minor", "stock", "category", "tag_ids"] {
            violations.add(field, "is invalid");
        }
        Err::<UpdateProductResponse, Status>(violations.into())
    });
    for (method, path, fields) in [
        (Method::PATCH, "/api/products/3", ["price", "stock", "categoryId", "tagIds"]),
        (Method::PUT, "/products/3", ["price", "quantity", "category", "tagIds"]),
    ] {
        let request = gateway.request(method, path).bearer_auth(gateway.identity.admin()).json(&json!({}));
        let problem = request.fetch().await.problem(422, "invalid_field");
        let named: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|it| it["field"].clone()).collect();
        assert_eq!(named, fields.map(Value::from));
        assert!(problem["detail"].as_str().unwrap().starts_with(&format!("price is invalid; {}", fields[1])));
    }
}

#[tokio::test]
async fn names_the_field_of_an_invalid_number() {
    let gateway = TestApp::start().await;
    for (body, field) in [
        (r#"{"name": "Mug", "price": 1, "stock": 2147483648}"#, "stock"),
        (r#"{"name": "Mug", "price": 1, "stock": 1.5}"#, "stock"),
        (r#"{"name": "Mug", "price": 1, "stock": "1"}"#, "stock"),
        (r#"{"name": "Mug", "price": 1e300, "stock": 1}"#, "price"),
        (r#"{"name": "Mug", "price": 0.001, "stock": 1}"#, "price"),
        (r#"{"name": "Mug", "price": -1, "stock": 1}"#, "price"),
        (r#"{"name": "Mug", "price": true, "stock": 1}"#, "price"),
        (r#"{"name": "Mug", "price": null, "stock": 1}"#, "price"),
        (r#"{"name": "Mug", "price": 1, "stock": 1, "categoryId": 99999999999}"#, "categoryId"),
        (r#"{"name": "Mug", "price": 1, "stock": 1, "tagIds": [1, "x"]}"#, "tagIds[1]"),
    ] {
        let request = gateway.request(Method::POST, "/api/products").bearer_auth(gateway.identity.admin());
        let response = request.header("content-type", "application/json").body(body).fetch().await;
        assert_eq!(response.rejected_field(422, "invalid_field"), field, "{body}");
    }
}

#[tokio::test]
async fn the_legacy_product_has_its_own_field_names() {
    let (gateway, changes) = gateway().await;
    let made = gateway.catalog.on("CreateProduct", |_: CreateProductRequest| {
        let category = Some(Category { id: 5, name: "Kitchen".to_owned(), product_count: 0 });
        Ok(CreateProductResponse { product: Some(Product { category, ..mug() }) })
    });
    let input =
        json!({"name": "Mug", "price": 12.50, "quantity": 40, "category": "Kitchen", "imageUrl": "/mug.jpg"});
    let request = gateway.post("/products", input).bearer_auth(gateway.identity.admin());
    let response = request.fetch().await;
    assert_eq!((response.status, response.header("location")), (201, "/products/3"));
    assert_eq!(response.header("etag"), "\"7\"");
    let expected = json!({
        "id": 3, "name": "Mug", "price": 12.50, "description": "", "quantity": 40,
        "category": {"id": 5, "name": "Kitchen"}, "imageUrl": "/mug.jpg"
    });
    assert_eq!(response.json(), expected);
    let kitchen = IdOrName { value: Some(id_or_name::Value::Name("Kitchen".to_owned())) };
    assert_eq!((made.last().category, made.last().stock), (Some(kitchen), 40));

    let five = IdOrName { value: Some(id_or_name::Value::Id(5)) };
    for (patch, category) in [
        (json!({"quantity": 0, "category": 5}), Some(five)),
        (json!({"quantity": 0, "category": null}), Some(IdOrName::default())),
        (json!({"quantity": 0}), None),
    ] {
        let request = gateway.request(Method::PUT, "/products/3").bearer_auth(gateway.identity.admin());
        assert_eq!(request.json(&patch).fetch().await.status, 200);
        let expected = UpdateProductRequest { id: 3, stock: Some(0), category, ..Default::default() };
        assert_eq!(changes.last(), expected, "{patch}");
    }
}
