//! Products to create, read, update and delete: lines 22, 24, 39 to 44, 55; rows `/api/products` of the contract.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    responses::{IMAGE, PRODUCT, assert_fields},
    store::{Person, Response, Shop},
};

/// A request that is to change or delete only what it has seen.
async fn if_match(person: &Person, method: Method, path: &str, tag: &str, body: Value) -> Response {
    person.send(person.request(method, path).header("if-match", tag).json(&body)).await
}

async fn if_none_match(person: &Person, path: &str, tag: &str) -> Response {
    person.send(person.request(Method::GET, path).header("if-none-match", tag)).await
}

/// A category and a tag.
async fn labels(shop: &Shop) -> (Value, Value) {
    let category =
        shop.admin().post("/api/categories", json!({"category_name": "Kitchen"})).await.expect(201);
    let tag = shop.admin().post("/api/tags", json!({"tag_name": "blue"})).await.expect(201);
    let named = |json: &Value| json!({"id": json["id"], "name": json["name"]});
    (named(&category.json), named(&tag.json))
}

/// Lines 39 to 44: integer ids; the name, price, stock and category, in any of the spellings.
#[tokio::test]
async fn a_product_is_created_in_any_spelling_and_shown_in_one() {
    let shop = Shop::start().await;
    let (category, tag) = labels(&shop).await;
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
        let made = shop.admin().post("/api/products", body).await.expect(201);
        let product = &made.json;
        assert_fields(product, PRODUCT);
        let id = product["id"].as_i64().unwrap();
        assert!(id > last_id, "ids count up");
        last_id = id;
        assert_eq!(made.header("location"), format!("/api/products/{id}"));
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
        let shown = shop.guest().get(made.header("location")).await.expect(200);
        assert_eq!((&shown.json, shown.header("etag")), (product, made.header("etag")));
    }
}

#[tokio::test]
async fn a_product_needs_a_name_a_price_and_a_stock_and_no_more() {
    let shop = Shop::start().await;
    let body = json!({"name": "Mug", "price": 0, "stock": 0});
    let product = shop.admin().post("/api/products", body.clone()).await.expect(201).json;
    assert_eq!(
        (&product["description"], &product["category"], &product["tags"]),
        (&json!(""), &Value::Null, &json!([]))
    );
    assert_eq!((&product["imageUrl"], &product["images"]), (&Value::Null, &json!([])));
    for field in ["name", "price", "stock"] {
        let mut body = body.clone();
        body.as_object_mut().unwrap().remove(field);
        shop.admin().post("/api/products", body).await.expect_refused(422, field);
    }
    let longest = json!({
        "name": "é".repeat(200), "price": 1, "stock": 1_000_000_000, "description": "x".repeat(10_000),
        "imageUrl": format!("/{}", "x".repeat(1_999)), "categoryId": null, "tagIds": null
    });
    shop.admin().post("/api/products", longest).await.expect(201);
    shop.verify().await;
}

/// Contract: PUT replaces, PATCH changes what it names.
#[tokio::test]
async fn a_put_replaces_and_a_patch_changes_what_it_names() {
    let shop = Shop::start().await;
    let (category, tag) = labels(&shop).await;
    let body = json!({
        "name": "Mug", "price": 19.99, "description": "Holds 300 ml.", "stock": 5, "categoryId": category["id"],
        "tagIds": [tag["id"]], "imageUrl": "/mug.jpg"
    });
    let made = shop.admin().post("/api/products", body).await.expect(201).json;
    let path = format!("/api/products/{}", made["id"]);
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
        let before = shop.guest().get(&path).await.expect(200).json;
        let patched = shop.admin().patch(&path, json!({ named: value })).await.expect(200).json;
        assert_eq!(patched[field], value);
        let others = PRODUCT.split(' ').filter(|other| ![field, "images", "updatedAt"].contains(other));
        others.for_each(|other| assert_eq!(patched[other], before[other], "{other} after {field}"));
        assert!(patched["updatedAt"].as_str() > before["updatedAt"].as_str());
    }
    let patch = json!({"product_name": "Bowl", "quantity": 1, "category_id": category["id"], "tag_ids": [tag["id"]], "image_url": "/b"});
    let patched = shop.admin().patch(&path, patch).await.expect(200).json;
    assert_eq!(
        (&patched["name"], &patched["stock"], &patched["tags"]),
        (&json!("Bowl"), &json!(1), &json!([tag]))
    );
    assert_eq!(shop.admin().patch(&path, json!({})).await.expect(200).json["name"], "Bowl");

    let body = json!({"product_name": "Jug", "price": 3, "quantity": 2});
    let replaced = shop.admin().put(&path, body).await.expect(200).json;
    assert_eq!((&replaced["name"], &replaced["stock"]), (&json!("Jug"), &json!(2)));
    assert_eq!((&replaced["description"], &replaced["category"]), (&json!(""), &Value::Null));
    assert_eq!((&replaced["tags"], &replaced["imageUrl"]), (&json!([]), &Value::Null));
    assert_eq!((&replaced["id"], &replaced["createdAt"]), (&made["id"], &made["createdAt"]));
    shop.admin().put(&path, json!({"name": "Jug", "price": 3})).await.expect_refused(422, "stock");
    shop.verify().await;
}

/// Line 44: a category or tag that is not there is refused, by the name the request gave the field.
#[tokio::test]
async fn a_product_refers_to_what_is_there() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "1", 1).await;
    let path = format!("/api/products/{mug}");
    for (field, value) in [
        ("categoryId", json!(999)),
        ("categoryId", json!(0)),
        ("tagIds", json!([999])),
        ("currency", json!("EUR")),
    ] {
        let mut body = json!({"name": "Cup", "price": 1, "stock": 1});
        body[field] = value.clone();
        shop.admin().post("/api/products", body.clone()).await.expect_refused(422, field);
        shop.admin().put(&path, body).await.expect_refused(422, field);
        shop.admin().patch(&path, json!({ field: value })).await.expect_refused(422, field);
    }
    assert_eq!(shop.guest().get("/api/products").await.expect(200).items().len(), 1);
}

/// Contract, "Order states": archived, never cascaded away.
#[tokio::test]
async fn a_deleted_product_leaves_the_shop_and_stays_in_the_orders_that_know_it() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let ada = shop.register("ada").await;
    let order = ada.buy(mug, 2).await;
    ada.add_to_cart(mug, 1).await.expect(200);
    let path = format!("/api/products/{mug}");
    assert_eq!(shop.admin().delete(&path).await.expect(204).text, "");

    for answer in [
        shop.guest().get(&path).await,
        shop.admin().patch(&path, json!({"stock": 1})).await,
        shop.admin().put(&path, json!({"name": "Mug", "price": 1, "stock": 1})).await,
        shop.admin().delete(&path).await,
        shop.guest().add_to_cart(mug, 1).await,
    ] {
        answer.expect_problem(404, "product_not_found");
    }
    for list in ["/api/products", &format!("/api/products?ids={mug}"), "/api/products?q=mug", "/products"] {
        assert_eq!(shop.guest().get(list).await.expect(200).items(), [] as [Value; 0], "{list}");
    }
    let order_path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(ada.get(&order_path).await.expect(200).json, order);
    let line = ada.get("/api/cart").await.expect(200).json["products"][0].clone();
    assert_eq!((&line["name"], &line["available"]), (&json!("Mug"), &json!(false)));
    let refused = ada.place_order().await.expect_problem(409, "out_of_stock");
    assert_eq!(refused.refused_fields(), [format!("products[{mug}]")]);
    ada.post_nothing(&format!("{order_path}/cancel")).await.expect(200);
    shop.verify().await;
}

/// Contract, `/api/products/{id}`: If-Match honoured, 412.
#[tokio::test]
async fn a_change_of_what_was_not_seen_is_refused() {
    let shop = Shop::start().await;
    let admin = shop.admin();
    let path = format!("/api/products/{}", admin.create_product("Mug", "19.99", 5).await);
    let seen = admin.get(&path).await.expect(200).header("etag").to_owned();
    let patched = if_match(admin, Method::PATCH, &path, &seen, json!({"price": 5})).await.expect(200);
    assert_ne!(patched.header("etag"), seen);
    let whole = json!({"name": "Mug", "price": 6, "stock": 5});
    for stale in [&seen, "\"999\"", "x", "", &format!("W/{}", patched.header("etag"))] {
        for method in [Method::PATCH, Method::PUT, Method::DELETE] {
            let refused = if_match(admin, method.clone(), &path, stale, whole.clone()).await;
            refused.expect_problem(412, "version_mismatch");
        }
    }
    assert_eq!(admin.get(&path).await.expect(200).json, patched.json);

    let either = format!("{seen}, {}", patched.header("etag"));
    let replaced = if_match(admin, Method::PUT, &path, &either, whole).await.expect(200);
    if_match(admin, Method::PATCH, &path, "*", json!({"price": 7})).await.expect(200);
    if_match(admin, Method::DELETE, &path, replaced.header("etag"), json!({}))
        .await
        .expect_problem(412, "version_mismatch");
    let now = admin.get(&path).await.expect(200).header("etag").to_owned();
    if_match(admin, Method::DELETE, &path, &now, json!({})).await.expect(204);
}

/// A reader who has it already is told so; every change a reader can see makes another tag.
#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let one = format!("/api/products/{mug}");
    let (ada, guest) = (shop.register("ada").await, shop.guest());
    for path in [&one, "/api/products", "/products", &format!("/products/{mug}")] {
        let seen = guest.get(path).await.expect(200).header("etag").to_owned();
        for tag in [&seen, &format!("W/{seen}"), &format!("\"x\", {seen}"), "*"] {
            let same = if_none_match(guest, path, tag).await.expect(304);
            assert_eq!((same.text.as_str(), same.header("etag")), ("", seen.as_str()), "{path}");
        }
        if_none_match(guest, path, "\"x\"").await.expect(200);
        ada.buy(mug, 1).await;
        assert_ne!(
            if_none_match(guest, path, &seen).await.expect(200).header("etag"),
            seen,
            "{path} is sold"
        );
    }
}
