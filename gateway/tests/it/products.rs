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
    fakes::Heard,
    shop::{Answer, Answered as _, Shop},
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
async fn shop() -> (Shop, Heard<UpdateProductRequest>) {
    let shop = Shop::open().await;
    shop.catalog.on("GetProduct", |request: GetProductRequest| match request.id {
        3 => Ok(GetProductResponse { product: Some(mug()) }),
        _ => Err(status::rejected(Code::NotFound, "product_not_found", "product not found")),
    });
    let changes =
        shop.catalog.on("UpdateProduct", |request: UpdateProductRequest| match request.expected_version {
            None | Some(7) => Ok(UpdateProductResponse { product: Some(Product { version: 8, ..mug() }) }),
            Some(_) => {
                Err(status::rejected(Code::Aborted, "version_mismatch", "the product is at version 7"))
            }
        });
    (shop, changes)
}

async fn patch(shop: &Shop, id: i32, if_match: &str) -> Answer {
    let request = shop.request(Method::PATCH, &format!("/api/products/{id}"));
    let request = request.bearer_auth(shop.identity.admin()).header("if-match", if_match);
    request.json(&json!({"price": 9.99})).answer().await
}

#[tokio::test]
async fn returns_304_for_a_product_that_the_client_has() {
    let (shop, _) = shop().await;
    for path in ["/api/products/3", "/products/3"] {
        let first = shop.get(path).answer().await;
        assert_eq!((first.status, first.header("etag")), (200, "\"7\""));
        assert_eq!(first.header("cache-control"), "no-cache");
        assert_eq!(first.json()["imageUrl"], "/mug.jpg");

        let again = shop.get(path).header("if-none-match", "\"6\", W/\"7\"").answer().await;
        assert_eq!((again.status, again.text.as_str()), (304, ""));
        assert_eq!((again.header("etag"), again.header("cache-control")), ("\"7\"", "no-cache"));
        assert!(again.varies_by("accept-encoding"));

        let other = shop.get(path).header("if-none-match", "\"6\"").answer().await;
        assert_eq!(other.status, 200);
    }
}

#[tokio::test]
async fn returns_304_for_a_list_until_it_changes() {
    let shop = Shop::open().await;
    let list = |next_cursor: &'static str| {
        move |_: ListProductsRequest| {
            Ok(ListProductsResponse { products: vec![mug()], next_cursor: next_cursor.to_owned() })
        }
    };
    for path in ["/api/products?limit=1", "/products?limit=1"] {
        shop.catalog.on("ListProducts", list(""));
        let tag = shop.get(path).answer().await.header("etag").to_owned();
        let ask = || async { shop.get(path).header("if-none-match", &tag).answer().await };
        assert_eq!(ask().await.status, 304);
        shop.catalog.on("ListProducts", list("more"));
        assert_eq!(ask().await.status, 200);
    }
}

#[tokio::test]
async fn updates_only_the_version_of_if_match() {
    let (shop, changes) = shop().await;
    let changed = patch(&shop, 3, "\"7\"").await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"8\""));
    assert_eq!(changes.last().expected_version, Some(7));
    patch(&shop, 3, "\"6\"").await.problem(412, "version_mismatch");
    assert_eq!(changes.last().expected_version, Some(6));

    for any in ["*", " * "] {
        assert_eq!(patch(&shop, 3, any).await.status, 200);
        assert_eq!(changes.last().expected_version, None);
    }
    assert_eq!(patch(&shop, 3, "\"5\", \"7\"").await.status, 200);
    assert_eq!(changes.last().expected_version, Some(7));
}

#[tokio::test]
async fn rejects_an_if_match_that_no_version_matches() {
    let (shop, changes) = shop().await;
    for never in ["", "7", "W/\"7\"", "\"07\"", "\"abc\"", "\"7", "\"5\", \"6\"", "*, \"7\""] {
        patch(&shop, 3, never).await.problem(412, "version_mismatch");
    }
    assert_eq!(changes.count(), 0);
    patch(&shop, 4, "\"abc\"").await.problem(404, "product_not_found");
}

#[tokio::test]
async fn checks_permissions_before_if_match() {
    let (shop, changes) = shop().await;
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let request = || {
            let request = shop.request(method.clone(), "/api/products/3").header("if-match", "\"abc\"");
            request.json(&json!({}))
        };
        request().answer().await.problem(401, "unauthenticated");
        request().bearer_auth(shop.identity.user()).answer().await.problem(403, "admin_only");
    }
    assert_eq!(changes.count(), 0);
}

#[tokio::test]
async fn deletes_the_version_of_if_match() {
    let (shop, _) = shop().await;
    let deleted = shop.catalog.on("DeleteProduct", |_: DeleteProductRequest| Ok(DeleteProductResponse {}));
    for path in ["/api/products/3", "/products/3"] {
        let request = shop.request(Method::DELETE, path).bearer_auth(shop.identity.admin());
        assert_eq!(request.header("if-match", "\"7\"").answer().await.status, 204);
        assert_eq!(deleted.last(), DeleteProductRequest { id: 3, expected_version: Some(7) });
    }
}

#[tokio::test]
async fn names_a_field_that_catalog_rejects_as_in_the_request() {
    let shop = Shop::open().await;
    shop.catalog.on("UpdateProduct", |_: UpdateProductRequest| {
        let mut violations = Violations::new();
        for field in ["price_minor", "stock", "category", "tag_ids"] {
            violations.add(field, "is not right");
        }
        Err::<UpdateProductResponse, Status>(violations.into())
    });
    for (method, path, fields) in [
        (Method::PATCH, "/api/products/3", ["price", "stock", "categoryId", "tagIds"]),
        (Method::PUT, "/products/3", ["price", "quantity", "category", "tagIds"]),
    ] {
        let request = shop.request(method, path).bearer_auth(shop.identity.admin()).json(&json!({}));
        let problem = request.answer().await.problem(422, "invalid_field");
        let named: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|it| it["field"].clone()).collect();
        assert_eq!(named, fields.map(Value::from));
        assert!(
            problem["detail"].as_str().unwrap().starts_with(&format!("price is not right; {}", fields[1]))
        );
    }
}

#[tokio::test]
async fn names_the_field_of_an_invalid_number() {
    let shop = Shop::open().await;
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
        let request = shop.request(Method::POST, "/api/products").bearer_auth(shop.identity.admin());
        let answer = request.header("content-type", "application/json").body(body).answer().await;
        assert_eq!(answer.refused_field(422, "invalid_field"), field, "{body}");
    }
}

#[tokio::test]
async fn the_legacy_product_has_its_own_field_names() {
    let (shop, changes) = shop().await;
    let made = shop.catalog.on("CreateProduct", |_: CreateProductRequest| {
        let category = Some(Category { id: 5, name: "Kitchen".to_owned(), product_count: 0 });
        Ok(CreateProductResponse { product: Some(Product { category, ..mug() }) })
    });
    let input =
        json!({"name": "Mug", "price": 12.50, "quantity": 40, "category": "Kitchen", "imageUrl": "/mug.jpg"});
    let request = shop.post("/products", input).bearer_auth(shop.identity.admin());
    let answer = request.answer().await;
    assert_eq!((answer.status, answer.header("location")), (201, "/products/3"));
    assert_eq!(answer.header("etag"), "\"7\"");
    let expected = json!({
        "id": 3, "name": "Mug", "price": 12.50, "description": "", "quantity": 40,
        "category": {"id": 5, "name": "Kitchen"}, "imageUrl": "/mug.jpg"
    });
    assert_eq!(answer.json(), expected);
    let kitchen = IdOrName { value: Some(id_or_name::Value::Name("Kitchen".to_owned())) };
    assert_eq!((made.last().category, made.last().stock), (Some(kitchen), 40));

    let five = IdOrName { value: Some(id_or_name::Value::Id(5)) };
    for (patch, category) in [
        (json!({"quantity": 0, "category": 5}), Some(five)),
        (json!({"quantity": 0, "category": null}), Some(IdOrName::default())),
        (json!({"quantity": 0}), None),
    ] {
        let request = shop.request(Method::PUT, "/products/3").bearer_auth(shop.identity.admin());
        assert_eq!(request.json(&patch).answer().await.status, 200);
        let expected = UpdateProductRequest { id: 3, stock: Some(0), category, ..Default::default() };
        assert_eq!(changes.last(), expected, "{patch}");
    }
}
