//! Products in the legacy API.

use serde_json::{Value, json};

use crate::harness::{
    responses::{assert_fields, pluck},
    store::TestStore,
};

const PRODUCT: &str = "id name price description quantity category imageUrl";

#[tokio::test]
async fn admins_create_read_update_and_delete_products() {
    let store = TestStore::start().await;
    let (admin, guest) = (store.admin(), store.guest());
    let body = json!({
        "name": "Mug", "price": 19.99, "description": "Holds 300 ml.", "quantity": 5, "category": "Kitchen",
        "imageUrl": "/mug.jpg"
    });
    let created = admin.post("/products", body).await.expect(201);
    assert_fields(&created.json, PRODUCT);
    assert_fields(&created.json["category"], "id name");
    assert!(created.text.contains(r#""price":19.99"#), "{created:?}");
    assert_eq!((&created.json["quantity"], &created.json["imageUrl"]), (&json!(5), &json!("/mug.jpg")));
    assert_eq!(created.json["category"]["name"], "Kitchen");
    let path = format!("/products/{}", created.json["id"]);
    assert_eq!(created.header("location"), path);

    assert_eq!(guest.get(&path).await.expect(200).json, created.json);
    assert_eq!(guest.get("/products").await.expect(200).json, json!([created.json]));

    let changed = admin.put(&path, json!({"price": "9.50", "quantity": 60})).await.expect(200).json;
    assert_eq!((&changed["price"], &changed["quantity"]), (&json!(9.5), &json!(60)));
    for field in ["id", "name", "description", "category", "imageUrl"] {
        assert_eq!(changed[field], created.json[field], "unchanged: {field}");
    }
    let bare = admin.put(&path, json!({"category": null, "imageUrl": null, "description": ""})).await;
    assert_eq!((&bare.json["category"], &bare.json["imageUrl"]), (&Value::Null, &Value::Null));

    admin.delete(&path).await.expect(204);
    guest.get(&path).await.expect_problem(404, "product_not_found");
    assert_eq!(guest.get("/products").await.expect(200).json, json!([]));
    admin.put(&path, json!({"price": 1})).await.expect_problem(404, "product_not_found");
    admin.delete(&path).await.expect_problem(404, "product_not_found");
    store.verify().await;
}

#[tokio::test]
async fn only_admins_write_products() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let path = format!("/products/{mug}");
    let body = json!({"name": "Pot", "price": 1, "quantity": 1});
    for (client, status, code) in
        [(store.guest().clone(), 401, "unauthenticated"), (store.register("ada").await, 403, "admin_only")]
    {
        client.post("/products", body.clone()).await.expect_problem(status, code);
        client.put(&path, json!({"price": 1})).await.expect_problem(status, code);
        client.delete(&path).await.expect_problem(status, code);
    }
    let products = store.guest().get("/products").await.expect(200);
    assert_eq!(pluck(products.items(), "price"), [19.99]);
}

/// The legacy API has no category routes.
#[tokio::test]
async fn accepts_a_category_by_id_or_name_and_creates_new_names() {
    let store = TestStore::start().await;
    let admin = store.admin();
    let create = async |category: Value| {
        admin.post("/products", json!({"name": "Mug", "price": 1, "quantity": 1, "category": category})).await
    };
    let kitchen = create(json!("Kitchen")).await.expect(201).json["category"].clone();
    assert_eq!(create(json!("kITCHEN")).await.expect(201).json["category"], kitchen, "in any case");
    assert_eq!(create(kitchen["id"].clone()).await.expect(201).json["category"], kitchen);
    let none = create(Value::Null).await.expect(201).json;
    assert_eq!(none["category"], Value::Null);
    create(json!(999)).await.expect_field_error(422, "category");
    create(json!("")).await.expect_field_error(422, "category");
    create(json!("a\nb")).await.expect_field_error(422, "category");
    create(json!("x".repeat(101))).await.expect_field_error(422, "category");
    create(json!({"id": 1})).await.expect_field_error(422, "category");

    let path = format!("/products/{}", none["id"]);
    let garden = admin.put(&path, json!({"category": "Garden"})).await.expect(200).json;
    assert_eq!(garden["category"]["name"], "Garden");
    let categories = admin.get("/api/categories").await.expect(200);
    let counts: Vec<_> = categories.items().iter().map(|it| (&it["name"], &it["productCount"])).collect();
    assert_eq!(counts, [(&json!("Kitchen"), &json!(3)), (&json!("Garden"), &json!(1))]);
}

#[tokio::test]
async fn errors_use_legacy_field_names() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    for (field, value) in [
        ("quantity", json!(-1)),
        ("quantity", json!("5")),
        ("price", json!(-1)),
        ("price", json!(19.999)),
        ("name", json!("")),
        ("description", json!("x".repeat(10_001))),
        ("imageUrl", json!("javascript:alert(1)")),
        ("stock", json!(1)),
    ] {
        let mut body = json!({"name": "Mug", "price": 1, "quantity": 1});
        body[field] = value.clone();
        let rejected = store.admin().post("/products", body).await.expect_field_error(422, field);
        assert_eq!(rejected.code(), "invalid_field");
        let path = format!("/products/{mug}");
        store.admin().put(&path, json!({ field: value })).await.expect_field_error(422, field);
    }
}
