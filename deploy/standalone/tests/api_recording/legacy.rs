//! The legacy API at the root, and the route aliases beside it.

use serde_json::{Value, json};

use super::recorder::{Recorder, Role};
use crate::harness::store::PASSWORD;

#[tokio::test]
async fn legacy_sessions() {
    let mut api = Recorder::start().await;
    for (path, name) in [("/auth/signup", "alan"), ("/auth/register", "edith")] {
        let body = json!({"name": name, "email": format!("{name}@shop.example"), "password": PASSWORD});
        for _ in 0..2 {
            api.send_json(Role::Anonymous, "POST", path, body.clone()).await;
        }
    }
    for password in [PASSWORD, "not the password"] {
        let login = json!({"email": "ada@shop.example", "password": password});
        api.send_json(Role::Anonymous, "POST", "/auth/login", login).await;
    }
    let login = json!({"login": "ada", "password": PASSWORD});
    api.send_json(Role::Guest, "POST", "/auth/login", login).await;
    api.send(Role::User, "GET", "/cart").await;
    api.send(Role::OtherUser, "POST", "/auth/logout").await;
    api.send(Role::OtherUser, "POST", "/auth/logout").await;
    api.record_rejections(|path| path.starts_with("/auth"), "").await;
    api.assert_unchanged("legacy_sessions");
}

#[tokio::test]
async fn legacy_products() {
    let mut api = Recorder::start().await;
    let cursor = api.send(Role::Anonymous, "GET", "/products?limit=3").await.header("link").to_owned();
    let next = cursor.trim_start_matches('<').split('>').next().unwrap().to_owned();
    api.send(Role::Anonymous, "GET", &next).await;
    for query in ["category=Kitchen", "q=mug", "sort=price", "ids=2,1", "limit=0", "cursor=x", "sort=x"] {
        api.send(Role::Anonymous, "GET", &format!("/products?{query}")).await;
    }
    for role in [Role::User, Role::Admin] {
        api.send(role, "GET", "/products/1").await;
    }
    for path in ["/products", "/products/1"] {
        let etag = api.send(Role::Anonymous, "GET", path).await.header("etag").to_owned();
        let request = api.request(Role::Anonymous, "GET", path).header("if-none-match", etag);
        api.record(Role::Anonymous, request).await;
    }
    for category in [json!(1), json!("Kitchen"), json!("Made by its name"), Value::Null] {
        let body = json!({"name": "Cup", "price": 7.25, "description": "Small.", "quantity": 4, "category": category, "imageUrl": "/cup.jpg"});
        api.send_json(Role::Admin, "POST", "/products", body).await;
    }
    for body in [
        json!({"name": "Mug", "price": "20.00", "quantity": 5}),
        json!({"price": 21}),
        json!({"category": null, "imageUrl": null}),
        json!({"category": "Garden", "description": ""}),
        json!({}),
    ] {
        api.send_json(Role::Admin, "PUT", "/products/1", body).await;
    }
    for etag in ["\"other\"", "x"] {
        let request = api
            .request(Role::Admin, "PUT", "/products/1")
            .header("if-match", etag)
            .json(&json!({"price": 1}));
        api.record(Role::Admin, request).await;
        let request = api.request(Role::Admin, "DELETE", "/products/1").header("if-match", etag);
        api.record(Role::Admin, request).await;
    }
    for _ in 0..2 {
        api.send(Role::Admin, "DELETE", "/products/4").await;
    }
    api.record_rejections(|path| path.starts_with("/products"), "").await;
    api.assert_unchanged("legacy_products");
}

#[tokio::test]
async fn legacy_carts() {
    let mut api = Recorder::start().await;
    for (role, method, path, body) in [
        (Role::User, "POST", "/cart", json!({"productId": 1, "quantity": 2})),
        (Role::User, "POST", "/cart", json!({"productId": 2})),
        (Role::User, "POST", "/cart", json!({"productId": 1, "quantity": 9999})),
        (Role::User, "POST", "/cart", json!({"productId": 999})),
        (Role::User, "PUT", "/cart/1", json!({"quantity": 3})),
        (Role::User, "PUT", "/cart/2", json!({"quantity": 0})),
        (Role::User, "POST", "/cart/add", json!({"productId": 3})),
        (Role::User, "POST", "/cart/add", json!({"productId": 1, "quantity": 9999})),
        (Role::User, "POST", "/cart/remove", json!({"productId": 3})),
        (Role::Guest, "POST", "/cart/add", json!({"productId": 3})),
        (Role::Guest, "POST", "/cart/remove", json!({"productId": 3})),
        (Role::Anonymous, "POST", "/cart/add", json!({"productId": 3})),
        (Role::Anonymous, "POST", "/cart/remove", json!({"productId": 3})),
        (Role::InvalidToken, "POST", "/cart/add", json!({"productId": 3})),
        (Role::InvalidToken, "POST", "/cart/remove", json!({"productId": 3})),
        (Role::Admin, "POST", "/cart", json!({"productId": 3})),
    ] {
        api.send_json(role, method, path, body).await;
    }
    for role in [Role::User, Role::OtherUser] {
        api.send(role, "GET", "/cart").await;
    }
    for _ in 0..2 {
        api.send(Role::User, "DELETE", "/cart/1").await;
    }
    api.send_json(Role::User, "POST", "/cart/add", json!({"productId": 999})).await;
    api.client(Role::OtherUser).delete("/api/cart").await.expect(200);
    let product = api.fill_cart(Role::OtherUser).await;
    for path in ["/cart", "/cart/add"] {
        api.send_json(Role::OtherUser, "POST", path, json!({"productId": product})).await;
    }
    api.record_rejections(|path| path.starts_with("/cart"), "").await;
    api.assert_unchanged("legacy_carts");
}

#[tokio::test]
async fn legacy_orders() {
    let mut api = Recorder::start().await;
    let user = api.client(Role::User);
    for path in ["/order", "/orders"] {
        api.send(Role::User, "POST", path).await;
        user.add_to_cart(2, 4).await.expect(200);
        api.send(Role::User, "POST", path).await;
        user.delete("/api/cart").await.expect(200);
    }
    user.add_to_cart(1, 2).await.expect(200);
    let request = api.request(Role::User, "POST", "/order").header("idempotency-key", "first");
    let id = api.record(Role::User, request.try_clone().unwrap()).await.json["orderId"]
        .as_str()
        .unwrap()
        .to_owned();
    api.record(Role::User, request.try_clone().unwrap()).await;
    api.record(Role::User, request.json(&json!({"expectedTotal": 2}))).await;
    user.add_to_cart(3, 1).await.expect(200);
    let request = api
        .request(Role::User, "POST", "/orders")
        .header("idempotency-key", "second")
        .json(&json!({"expectedTotal": 35}));
    api.record(Role::User, request.try_clone().unwrap()).await;
    api.record(Role::User, request).await;
    for role in [Role::User, Role::Admin, Role::OtherUser] {
        api.send(role, "GET", &format!("/order/{id}")).await;
    }
    let of_user = format!("?userId={}", user.id());
    let link = api.send(Role::Admin, "GET", "/orders?limit=1").await.header("link").to_owned();
    let next = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    api.send(Role::Admin, "GET", &next).await;
    for query in
        ["", &*of_user, "?status=pending", "?status=paid", "?status=x", "?limit=0", "?cursor=x", "?from=x"]
    {
        api.send(Role::Admin, "GET", &format!("/orders{query}")).await;
    }
    for status in ["confirmed", "pending", "cancelled", "cancelled"] {
        api.send_json(Role::Admin, "PATCH", &format!("/orders/{id}"), json!({"status": status})).await;
    }
    api.record_rejections(|path| path.starts_with("/order"), &id).await;
    api.assert_unchanged("legacy_orders");
}
