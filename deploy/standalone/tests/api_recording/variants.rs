//! Products with several variants.

use serde_json::{Value, json};

use super::recorder::{Recorder, Role};

/// Mugs in two colours, for 19.99 and 21.
fn colours() -> Value {
    json!({
        "options": ["Colour"],
        "variants": [
            {"sku": "MUG-W", "options": {"Colour": "white"}, "price": 19.99, "stock": 5, "weight": 300},
            {
                "sku": "MUG-R", "barcode": "4006381333931", "options": {"Colour": "red"}, "price": 21,
                "compareAtPrice": 25, "stock": 7, "requiresShipping": false, "taxClass": "reduced"
            }
        ]
    })
}

#[tokio::test]
async fn variants() {
    let mut api = Recorder::start().await;
    let path = "/api/products/1/variants";
    api.send(Role::Anonymous, "GET", "/api/products/1").await;
    let mut product = Value::Null;
    for _ in 0..2 {
        product = api.send_json(Role::Admin, "PUT", path, colours()).await.json;
    }
    let red = product["variants"][1]["id"].clone();
    for query in ["/1", "?ids=1,2&include=variants", "?ids=1", "?include=x"] {
        api.send(Role::Anonymous, "GET", &format!("/api/products{query}")).await;
    }
    for body in [
        json!({"options": ["Colour"], "variants": []}),
        json!({"options": ["Colour"], "variants": [{"price": 1}]}),
        json!({"options": ["Colour", "colour"], "variants": [{"options": {"Colour": "red", "colour": "red"}, "price": 1}]}),
        json!({"options": [], "variants": [{"price": 1}, {"price": 2}]}),
        json!({"variants": [{"price": 1, "id": 3}]}),
    ] {
        api.send_json(Role::Admin, "PUT", path, body).await;
    }
    let taken = json!({"variants": [{"sku": "mug-r", "price": 5}]});
    api.send_json(Role::Admin, "PUT", "/api/products/2/variants", taken).await;
    for (method, path, body) in [
        ("PUT", path, colours()),
        ("PATCH", "/api/variants/1", json!({"price": 18, "stock": 4})),
        ("PUT", "/api/products/1", json!({"name": "Mug", "price": 5, "stock": 1})),
    ] {
        let request = api.request(Role::Admin, method, path).header("if-match", "\"0-0\"");
        api.record(Role::Admin, request.json(&body)).await;
    }
    for (method, path, body) in [
        ("PATCH", "/api/variants/1", json!({"price": 18, "stock": 4, "weight": 310})),
        ("PATCH", "/api/variants/1", json!({"sku": "MUG-R"})),
        ("PATCH", "/api/variants/1", json!({"sku": null, "compareAtPrice": 19.99})),
        ("PATCH", "/api/variants/1", json!({"options": {"Colour": "blue"}})),
        ("PATCH", "/api/variants/2", json!({"price": 6})),
        ("PATCH", "/api/products/1", json!({"price": 5})),
        ("PATCH", "/api/products/1", json!({"name": "Cup"})),
        ("PUT", "/api/products/1", json!({"name": "Mug", "price": 5, "stock": 1})),
        ("PUT", "/products/1", json!({"name": "Mug", "price": 5, "quantity": 1})),
    ] {
        api.send_json(Role::Admin, method, path, body).await;
    }
    for body in [
        json!({"productId": 1}),
        json!({"variantId": red}),
        json!({"productId": 1, "variantId": 1}),
        json!({"productId": 2, "variantId": 1}),
        json!({"variantId": 999}),
    ] {
        api.send_json(Role::User, "POST", "/api/cart/add", body).await;
    }
    api.send_json(Role::User, "PUT", &format!("/api/cart/items/{red}"), json!({"quantity": 2})).await;
    let remove = json!({"productId": 1, "variantId": 1});
    api.send_json(Role::User, "POST", "/api/cart/remove", remove).await;
    api.send(Role::User, "POST", "/api/orders").await;
    api.record_rejections(|path| path.starts_with("/api/variants"), "").await;
    api.assert_unchanged("variants");
}
