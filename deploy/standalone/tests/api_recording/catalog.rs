//! Categories, tags and products.

use serde_json::json;

use super::recorder::{Recorder, Role};

#[tokio::test]
async fn categories() {
    categories_or_tags("/api/categories", "category_name", "categories").await;
}

#[tokio::test]
async fn tags() {
    categories_or_tags("/api/tags", "tag_name", "tags").await;
}

async fn categories_or_tags(path: &str, alias: &str, snapshot: &str) {
    let mut api = Recorder::start().await;
    for query in ["", "?limit=1", "?limit=0", "?limit=x", "?cursor=x"] {
        api.send(Role::Anonymous, "GET", &format!("{path}{query}")).await;
    }
    let page = api.send(Role::User, "GET", &format!("{path}?limit=1")).await;
    let cursor = page.json["nextCursor"].as_str().unwrap();
    api.send(Role::User, "GET", &format!("{path}?limit=1&cursor={cursor}")).await;
    for query in ["", "?include=products", "?include=x"] {
        api.send(Role::Anonymous, "GET", &format!("{path}/1{query}")).await;
    }
    for body in [
        json!({"name": "Fresh"}),
        json!({alias: "By its other name"}),
        json!({"name": "fresh"}),
        json!({"name": "x", alias: "y"}),
    ] {
        api.send_json(Role::Admin, "POST", path, body).await;
    }
    for (method, name) in
        [("PUT", "Replaced"), ("PATCH", "Changed"), ("PUT", "Changed"), ("PUT", "Fresh"), ("PATCH", "Fresh")]
    {
        api.send_json(Role::Admin, method, &format!("{path}/1"), json!({"name": name})).await;
    }
    api.send_json(Role::Admin, "PATCH", &format!("{path}/1"), json!({alias: "Renamed"})).await;
    for _ in 0..2 {
        api.send(Role::Admin, "DELETE", &format!("{path}/2")).await;
    }
    api.send(Role::Anonymous, "GET", "/api/products/3").await;
    api.record_rejections(|route| route.starts_with(path), "").await;
    api.assert_unchanged(snapshot);
}

#[tokio::test]
async fn products() {
    let mut api = Recorder::start().await;
    let page = api.send(Role::Anonymous, "GET", "/api/products?limit=3").await;
    let cursor = page.json["nextCursor"].as_str().unwrap().to_owned();
    for query in [
        &*format!("limit=3&cursor={cursor}"),
        "q=tea",
        "category=1",
        "category=Kitchen",
        "category=999",
        "tag=new",
        "tag=1",
        "minPrice=5&maxPrice=20",
        "inStock=true",
        "inStock=false",
        "ids=1,2,999",
        "sort=price",
        "sort=-price",
        "sort=name",
        "sort=newest",
        "sort=relevance&q=mug",
        "sort=unknown",
        "limit=0",
        "limit=x",
        "limit=101",
        "cursor=x",
        "minPrice=x",
        "minPrice=-1",
        "minPrice=2&maxPrice=1",
        "inStock=x",
        "ids=x",
        "category=",
        "tag=",
        "q=",
    ] {
        api.send(Role::Anonymous, "GET", &format!("/api/products?{query}")).await;
    }
    for role in [Role::Guest, Role::User, Role::Admin, Role::InvalidToken] {
        api.send(role, "GET", "/api/products/1").await;
    }
    for path in ["/api/products?limit=1", "/api/products/1"] {
        let etag = api.send(Role::Anonymous, "GET", path).await.header("etag").to_owned();
        for etag in [&*etag, "\"other\"", "*", "x"] {
            let request = api.request(Role::Anonymous, "GET", path).header("if-none-match", etag);
            api.record(Role::Anonymous, request).await;
        }
    }

    let full = json!({"name": "Cup", "price": "7.25", "stock": 4, "description": "Small.", "currency": "USD",
        "categoryId": 1, "tagIds": [1, 2], "imageUrl": "/cup.jpg"});
    let aliases =
        json!({"product_name": "Jug", "price": 12, "quantity": 4, "category_id": 2, "tag_ids": [1]});
    for body in [full.clone(), aliases, json!({"name": "Plate", "price": 3, "stock": 0})] {
        api.send_json(Role::Admin, "POST", "/api/products", body).await;
    }
    for (method, body) in [
        ("PUT", full),
        ("PUT", json!({"name": "Mug", "price": 20, "stock": 5})),
        ("PATCH", json!({"stock": 7})),
        ("PATCH", json!({"price": 18.5, "tagIds": [2], "categoryId": null, "imageUrl": null})),
        ("PATCH", json!({})),
        ("PATCH", json!({"currency": "EUR"})),
        ("PATCH", json!({"categoryId": 999})),
        ("PATCH", json!({"tagIds": [1, 998, 999]})),
    ] {
        api.send_json(Role::Admin, method, "/api/products/1", body).await;
    }
    let etag = api.send(Role::Admin, "GET", "/api/products/1").await.header("etag").to_owned();
    for etag in [&*etag, &*etag, "\"other\"", "*", "x"] {
        for method in ["PATCH", "PUT"] {
            let body = json!({"name": "Mug", "price": 20, "stock": 6});
            let request =
                api.request(Role::Admin, method, "/api/products/1").header("if-match", etag).json(&body);
            api.record(Role::Admin, request).await;
        }
    }
    let request = api.request(Role::Admin, "DELETE", "/api/products/4").header("if-match", "\"other\"");
    api.record(Role::Admin, request).await;
    for _ in 0..2 {
        api.send(Role::Admin, "DELETE", "/api/products/4").await;
    }
    api.send(Role::Anonymous, "GET", "/api/products/4").await;
    api.record_rejections(|path| path.starts_with("/api/products") && !path.contains("images"), "").await;
    api.assert_unchanged("products");
}
