//! Categories and tags, with their products.

use bodega_proto::catalog::v1::{
    Category, GetCategoryRequest, GetCategoryResponse, GetTagRequest, GetTagResponse, IdOrName,
    ListProductsRequest, ListProductsResponse, Tag, UpdateTagRequest, UpdateTagResponse, id_or_name,
};
use bodega_runtime::status;
use http::Method;
use serde_json::json;
use tonic::Code;

use crate::{
    fake_service::Calls,
    products::mug,
    test_app::{SendRequest as _, TestApp},
};

async fn gateway() -> (TestApp, Calls<ListProductsRequest>) {
    let gateway = TestApp::start().await;
    gateway.catalog.on("GetCategory", |request: GetCategoryRequest| match request.id {
        5 => Ok(GetCategoryResponse {
            category: Some(Category { id: 5, name: "Kitchen".to_owned(), product_count: 101 }),
        }),
        _ => Err(status::rejected(Code::NotFound, "category_not_found", "no such category")),
    });
    gateway.catalog.on("GetTag", |_: GetTagRequest| {
        Ok(GetTagResponse { tag: Some(Tag { id: 5, name: "new".to_owned(), product_count: 101 }) })
    });
    let lists = gateway.catalog.on("ListProducts", |_: ListProductsRequest| {
        Ok(ListProductsResponse { products: vec![mug()], next_cursor: "more".to_owned() })
    });
    (gateway, lists)
}

#[tokio::test]
async fn includes_products_only_on_request() {
    let (gateway, lists) = gateway().await;
    for (path, name) in [("/api/categories/5", "Kitchen"), ("/api/tags/5", "new")] {
        let plain = gateway.get(path).fetch().await.json();
        assert_eq!(plain, json!({"id": 5, "name": name, "productCount": 101}));
    }
    assert_eq!(lists.count(), 0);

    for (path, filter) in [("/api/categories/5", "category"), ("/api/tags/5", "tag")] {
        let full = gateway.get(&format!("{path}?include=products")).fetch().await.json();
        assert_eq!(full["productCount"], 101);
        assert_eq!(full["products"][0]["name"], "Mug");
        assert_eq!(full["productsNextCursor"], "more");
        let request = lists.last();

        // The next page is a page of GET /api/products with the same filter.
        gateway.get(&format!("/api/products?{filter}=5&limit=100&cursor=more")).fetch().await.json();
        assert_eq!(lists.last(), ListProductsRequest { cursor: "more".to_owned(), ..request });
    }
    let five = IdOrName { value: Some(id_or_name::Value::Id(5)) };
    assert_eq!(lists.last().tags, [five]);
}

#[tokio::test]
async fn returns_404_for_an_unknown_category_with_and_without_products() {
    let (gateway, _) = gateway().await;
    for query in ["", "?include=products"] {
        let response = gateway.get(&format!("/api/categories/6{query}")).fetch().await;
        response.problem(404, "category_not_found");
    }
    let response = gateway.get("/api/categories/5?include=tags").fetch().await;
    assert_eq!(response.rejected_field(400, "malformed_request"), "include");
}

#[tokio::test]
async fn put_and_patch_rename_a_tag() {
    let (gateway, _) = gateway().await;
    let renames = gateway.catalog.on("UpdateTag", |request: UpdateTagRequest| {
        Ok(UpdateTagResponse { tag: Some(Tag { id: request.id, name: request.name, product_count: 0 }) })
    });
    for (method, body) in [(Method::PUT, json!({"name": "old"})), (Method::PATCH, json!({"tag_name": "old"}))]
    {
        let request = gateway.request(method, "/api/tags/5").bearer_auth(gateway.identity.admin());
        assert_eq!(request.json(&body).fetch().await.json()["name"], "old");
        assert_eq!(renames.last(), UpdateTagRequest { id: 5, name: "old".to_owned() });
    }
}
