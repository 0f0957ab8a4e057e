//! Creating, reading, updating and deleting products.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    responses::{IMAGE, PRODUCT, PRODUCT_WITH_VARIANTS, assert_fields},
    store::{Client, Response, TestStore},
};

/// Sends a request with `If-Match`.
async fn if_match(client: &Client, method: Method, path: &str, tag: &str, body: Value) -> Response {
    client.send(client.request(method, path).header("if-match", tag).json(&body)).await
}

async fn if_none_match(client: &Client, path: &str, tag: &str) -> Response {
    client.send(client.request(Method::GET, path).header("if-none-match", tag)).await
}

/// Creates a category and a tag; returns each as a product shows it.
async fn create_category_and_tag(store: &TestStore) -> (Value, Value) {
    let category =
        store.admin().post("/api/categories", json!({"category_name": "Kitchen"})).await.expect(201);
    let tag = store.admin().post("/api/tags", json!({"tag_name": "blue"})).await.expect(201);
    let named = |json: &Value| json!({"id": json["id"], "name": json["name"]});
    (named(&category.json), named(&tag.json))
}

/// Ids are integers, and fields are accepted in camelCase, snake_case and their older names.
#[tokio::test]
async fn accepts_all_field_names_and_returns_one() {
    let store = TestStore::start().await;
    let (category, tag) = create_category_and_tag(&store).await;
    let camel = json!({
        "name": "Mug", "price": 19.99, "description": "Holds\n300 ml.", "stock": 5, "currency": "USD",
        "categoryId": category["id"], "tagIds": [tag["id"]], "imageUrl": "https://example.com/mug.jpg"
    });
    let snake = json!({
        "product_name": "Mug", "price": "19.99", "description": "Holds\n300 ml.", "quantity": 5,
        "category_id": category["id"], "tag_ids": [tag["id"]], "image_url": "https://example.com/mug.jpg"
    });
    let mut last_id = 0;
    for body in [camel, snake] {
        let created = store.admin().post("/api/products", body).await.expect(201);
        let product = &created.json;
        assert_fields(product, PRODUCT_WITH_VARIANTS);
        let id = product["id"].as_i64().unwrap();
        assert!(id > last_id, "ids count up");
        last_id = id;
        assert_eq!(created.header("location"), format!("/api/products/{id}"));
        for (field, value) in [
            ("name", json!("Mug")),
            ("description", json!("Holds\n300 ml.")),
            ("price", json!(19.99)),
            ("currency", json!("USD")),
            ("stock", json!(5)),
            ("category", category.clone()),
            ("tags", json!([tag])),
            ("imageUrl", json!("https://example.com/mug.jpg")),
        ] {
            assert_eq!(product[field], value, "{field}");
        }
        let [image] = &product["images"].as_array().unwrap()[..] else { panic!("{product}") };
        assert_fields(image, IMAGE);
        assert_eq!((&image["url"], &product["createdAt"]), (&product["imageUrl"], &product["updatedAt"]));
        let shown = store.guest().get(created.header("location")).await.expect(200);
        assert_eq!((&shown.json, shown.header("etag")), (product, created.header("etag")));
    }
}

#[tokio::test]
async fn requires_name_price_and_stock_only() {
    let store = TestStore::start().await;
    let body = json!({"name": "Mug", "price": 0, "stock": 0});
    let product = store.admin().post("/api/products", body.clone()).await.expect(201).json;
    assert_eq!(
        (&product["description"], &product["category"], &product["tags"]),
        (&json!(""), &Value::Null, &json!([]))
    );
    assert_eq!((&product["imageUrl"], &product["images"]), (&Value::Null, &json!([])));
    for field in ["name", "price", "stock"] {
        let mut body = body.clone();
        body.as_object_mut().unwrap().remove(field);
        store.admin().post("/api/products", body).await.expect_field_error(422, field);
    }
    let longest = json!({
        "name": "é".repeat(200), "price": 1, "stock": 1_000_000_000, "description": "x".repeat(10_000),
        "imageUrl": format!("/{}", "x".repeat(1_999)), "categoryId": null, "tagIds": null
    });
    store.admin().post("/api/products", longest).await.expect(201);
    store.verify().await;
}

#[tokio::test]
async fn put_replaces_and_patch_changes_the_given_fields() {
    let store = TestStore::start().await;
    let (category, tag) = create_category_and_tag(&store).await;
    let body = json!({
        "name": "Mug", "price": 19.99, "description": "Holds 300 ml.", "stock": 5, "categoryId": category["id"],
        "tagIds": [tag["id"]], "imageUrl": "/mug.jpg"
    });
    let created = store.admin().post("/api/products", body).await.expect(201).json;
    let path = format!("/api/products/{}", created["id"]);
    for (field, value) in [
        ("name", json!("Cup")),
        ("description", json!("")),
        ("price", json!(5.25)),
        ("stock", json!(7)),
        ("category", Value::Null),
        ("tags", json!([])),
        ("imageUrl", Value::Null),
    ] {
        let named = match field {
            "category" => "categoryId",
            "tags" => "tagIds",
            field => field,
        };
        let before = store.guest().get(&path).await.expect(200).json;
        let patched = store.admin().patch(&path, json!({ named: value })).await.expect(200).json;
        assert_eq!(patched[field], value);
        let others = PRODUCT.split(' ').filter(|other| ![field, "images", "updatedAt"].contains(other));
        others.for_each(|other| assert_eq!(patched[other], before[other], "{other} after {field}"));
        assert!(patched["updatedAt"].as_str() > before["updatedAt"].as_str());
    }
    let patch = json!({"product_name": "Bowl", "quantity": 1, "category_id": category["id"], "tag_ids": [tag["id"]], "image_url": "/b"});
    let patched = store.admin().patch(&path, patch).await.expect(200).json;
    assert_eq!(
        (&patched["name"], &patched["stock"], &patched["tags"]),
        (&json!("Bowl"), &json!(1), &json!([tag]))
    );
    assert_eq!(store.admin().patch(&path, json!({})).await.expect(200).json["name"], "Bowl");

    let body = json!({"product_name": "Jug", "price": 3, "quantity": 2});
    let replaced = store.admin().put(&path, body).await.expect(200).json;
    assert_eq!((&replaced["name"], &replaced["stock"]), (&json!("Jug"), &json!(2)));
    assert_eq!((&replaced["description"], &replaced["category"]), (&json!(""), &Value::Null));
    assert_eq!((&replaced["tags"], &replaced["imageUrl"]), (&json!([]), &Value::Null));
    assert_eq!((&replaced["id"], &replaced["createdAt"]), (&created["id"], &created["createdAt"]));
    store.admin().put(&path, json!({"name": "Jug", "price": 3})).await.expect_field_error(422, "stock");
    store.verify().await;
}

/// An unknown category or tag is rejected by the name of the field in the request.
#[tokio::test]
async fn rejects_unknown_categories_and_tags() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "1", 1).await;
    let path = format!("/api/products/{mug}");
    for (field, value) in [
        ("categoryId", json!(999)),
        ("categoryId", json!(0)),
        ("tagIds", json!([999])),
        ("currency", json!("EUR")),
    ] {
        let mut body = json!({"name": "Cup", "price": 1, "stock": 1});
        body[field] = value.clone();
        store.admin().post("/api/products", body.clone()).await.expect_field_error(422, field);
        store.admin().put(&path, body).await.expect_field_error(422, field);
        store.admin().patch(&path, json!({ field: value })).await.expect_field_error(422, field);
    }
    assert_eq!(store.guest().get("/api/products").await.expect(200).items().len(), 1);
}

/// A deleted product is archived.
#[tokio::test]
async fn a_deleted_product_stays_in_existing_orders() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let ada = store.register("ada").await;
    let order = ada.buy(mug, 2).await;
    ada.add_to_cart(mug, 1).await.expect(200);
    let path = format!("/api/products/{mug}");
    assert_eq!(store.admin().delete(&path).await.expect(204).text, "");

    for response in [
        store.guest().get(&path).await,
        store.admin().patch(&path, json!({"stock": 1})).await,
        store.admin().put(&path, json!({"name": "Mug", "price": 1, "stock": 1})).await,
        store.admin().delete(&path).await,
        store.guest().add_to_cart(mug, 1).await,
    ] {
        response.expect_problem(404, "product_not_found");
    }
    for list in ["/api/products", &format!("/api/products?ids={mug}"), "/api/products?q=mug", "/products"] {
        assert_eq!(store.guest().get(list).await.expect(200).items(), [] as [Value; 0], "{list}");
    }
    let order_path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(ada.get(&order_path).await.expect(200).json, order);
    let line = ada.get("/api/cart").await.expect(200).json["products"][0].clone();
    assert_eq!((&line["name"], &line["available"]), (&json!("Mug"), &json!(false)));
    let rejected = ada.place_order().await.expect_problem(409, "out_of_stock");
    assert_eq!(rejected.error_fields(), [format!("products[{mug}]")]);
    ada.post_empty(&format!("{order_path}/cancel")).await.expect(200);
    store.verify().await;
}

#[tokio::test]
async fn rejects_changes_with_a_stale_etag() {
    let store = TestStore::start().await;
    let admin = store.admin();
    let path = format!("/api/products/{}", admin.create_product("Mug", "19.99", 5).await);
    let etag = admin.get(&path).await.expect(200).header("etag").to_owned();
    let patched = if_match(admin, Method::PATCH, &path, &etag, json!({"price": 5})).await.expect(200);
    assert_ne!(patched.header("etag"), etag);
    let whole = json!({"name": "Mug", "price": 6, "stock": 5});
    for stale in [&etag, "\"999\"", "x", "", &format!("W/{}", patched.header("etag"))] {
        for method in [Method::PATCH, Method::PUT, Method::DELETE] {
            let rejected = if_match(admin, method.clone(), &path, stale, whole.clone()).await;
            rejected.expect_problem(412, "version_mismatch");
        }
    }
    assert_eq!(admin.get(&path).await.expect(200).json, patched.json);

    let either = format!("{etag}, {}", patched.header("etag"));
    let replaced = if_match(admin, Method::PUT, &path, &either, whole).await.expect(200);
    if_match(admin, Method::PATCH, &path, "*", json!({"price": 7})).await.expect(200);
    if_match(admin, Method::DELETE, &path, replaced.header("etag"), json!({}))
        .await
        .expect_problem(412, "version_mismatch");
    let now = admin.get(&path).await.expect(200).header("etag").to_owned();
    if_match(admin, Method::DELETE, &path, &now, json!({})).await.expect(204);
}

/// A 304 for an unchanged product; every visible change changes the ETag.
#[tokio::test]
async fn returns_304_for_an_unchanged_product() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let one = format!("/api/products/{mug}");
    let (ada, guest) = (store.register("ada").await, store.guest());
    for path in [&one, "/api/products", "/products", &format!("/products/{mug}")] {
        let etag = guest.get(path).await.expect(200).header("etag").to_owned();
        for tag in [&etag, &format!("W/{etag}"), &format!("\"x\", {etag}"), "*"] {
            let same = if_none_match(guest, path, tag).await.expect(304);
            assert_eq!((same.text.as_str(), same.header("etag")), ("", etag.as_str()), "{path}");
        }
        if_none_match(guest, path, "\"x\"").await.expect(200);
        ada.buy(mug, 1).await;
        assert_ne!(
            if_none_match(guest, path, &etag).await.expect(200).header("etag"),
            etag,
            "{path} is sold"
        );
    }
}
