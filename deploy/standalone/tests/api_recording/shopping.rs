//! Carts, orders, payments, and operations.

use std::time::{SystemTime, UNIX_EPOCH};

use bodega_stripe_double::Card;
use reqwest::Method;
use serde_json::{Value, json};

use super::recorder::{Recorder, Role};
use crate::harness::{
    payments::{self, WEBHOOK, path_of},
    store::TestStore,
};

#[tokio::test]
async fn carts() {
    let mut api = Recorder::start().await;
    for role in [Role::Anonymous, Role::Guest, Role::User, Role::InvalidToken] {
        api.send(role, "GET", "/api/cart").await;
    }
    api.send_json(Role::Anonymous, "POST", "/api/cart/add", json!({"productId": 1})).await;
    for role in [Role::Guest, Role::User] {
        for (method, path, body) in [
            ("POST", "/api/cart/add", json!({"productId": 1, "quantity": 2})),
            ("POST", "/api/cart/add", json!({"product_id": 2})),
            ("POST", "/api/cart/add", json!({"productId": 1, "quantity": 9999})),
            ("POST", "/api/cart/add", json!({"productId": 4})),
            ("POST", "/api/cart/add", json!({"productId": 999})),
            ("PUT", "/api/cart/items/1", json!({"quantity": 3})),
            ("PATCH", "/api/cart/items/2", json!({"quantity": 4})),
            ("PUT", "/api/cart/items/3", json!({"quantity": 1})),
            ("PUT", "/api/cart/items/3", json!({"quantity": 0})),
            ("POST", "/api/cart/remove", json!({"productId": 2})),
            ("POST", "/api/cart/remove", json!({"productId": 2})),
        ] {
            api.send_json(role, method, path, body).await;
        }
        for _ in 0..2 {
            api.send(role, "DELETE", "/api/cart/items/1").await;
        }
        api.send_json(role, "POST", "/api/cart/add", json!({"productId": 3, "quantity": 2})).await;
        api.send(role, "DELETE", "/api/cart").await;
        api.send(role, "GET", "/api/cart").await;
    }
    let unknown_token = "A".repeat(43);
    for (method, path) in [("GET", "/api/cart"), ("DELETE", "/api/cart"), ("DELETE", "/api/cart/items/1")] {
        let request = api.request(Role::Anonymous, method, path).header("x-cart-token", &unknown_token);
        api.record(Role::Anonymous, request).await;
        api.send(Role::InvalidToken, method, path).await;
        api.send(Role::Anonymous, method, path).await;
    }
    for (method, path) in [
        ("POST", "/api/cart/add"),
        ("POST", "/api/cart/remove"),
        ("PUT", "/api/cart/items/1"),
        ("PATCH", "/api/cart/items/1"),
    ] {
        let body = json!({"productId": 1, "quantity": 1});
        let body = if path.ends_with('1') {
            json!({"quantity": 1})
        } else if path.ends_with("add") {
            body
        } else {
            json!({"productId": 1})
        };
        api.send_json(Role::InvalidToken, method, path, body.clone()).await;
        let request =
            api.request(Role::Anonymous, method, path).header("x-cart-token", &unknown_token).json(&body);
        api.record(Role::Anonymous, request).await;
    }
    api.client(Role::User).add_to_cart(2, 3).await.expect(200);
    api.client(Role::Admin).patch("/api/products/2", json!({"stock": 1, "price": 6})).await.expect(200);
    api.send(Role::User, "GET", "/api/cart").await;
    api.client(Role::Admin).delete("/api/products/2").await.expect(204);
    api.send(Role::User, "GET", "/api/cart").await;
    for (method, path) in [("GET", "/api/cart"), ("DELETE", "/api/cart")] {
        let request = api.request(Role::Anonymous, method, path).header("x-cart-token", b"\xff".as_slice());
        api.record(Role::Anonymous, request).await;
    }
    let product = api.fill_cart(Role::OtherUser).await;
    api.send_json(Role::OtherUser, "POST", "/api/cart/add", json!({"productId": product})).await;
    api.record_rejections(|path| path.starts_with("/api/cart"), "").await;
    api.assert_unchanged("carts");
}

#[tokio::test]
async fn orders() {
    let mut api = Recorder::start().await;
    let user = api.client(Role::User);
    api.send(Role::User, "POST", "/api/orders").await;
    user.add_to_cart(1, 2).await.expect(200);
    user.add_to_cart(3, 1).await.expect(200);
    api.send_json(Role::User, "POST", "/api/orders", json!({"expectedTotal": 1})).await;
    let key = "idempotency-key";
    let request = api
        .request(Role::User, "POST", "/api/orders")
        .header(key, "first")
        .json(&json!({"expectedTotal": 74.98}));
    let first = api.record(Role::User, request.try_clone().unwrap()).await.json;
    api.record(Role::User, request).await;
    let request = api
        .request(Role::User, "POST", "/api/orders")
        .header(key, "first")
        .json(&json!({"expectedTotal": 2}));
    api.record(Role::User, request).await;
    let request = api.request(Role::User, "POST", "/api/orders").header(key, "a b");
    api.record(Role::User, request).await;
    user.add_to_cart(1, 1).await.expect(200);
    let second = api.send(Role::User, "POST", "/api/orders").await.json;
    user.add_to_cart(2, 4).await.expect(200);
    api.send(Role::User, "POST", "/api/orders").await;
    user.delete("/api/cart").await.expect(200);
    api.client(Role::OtherUser).buy(1, 1).await;

    let cursor = api.send(Role::User, "GET", "/api/orders?limit=1").await.json["nextCursor"]
        .as_str()
        .unwrap()
        .to_owned();
    for query in [
        "",
        &*format!("?limit=1&cursor={cursor}"),
        "?status=pending",
        "?status=paid",
        "?status=unknown",
        "?limit=0",
        "?limit=x",
        "?cursor=x",
    ] {
        api.send(Role::User, "GET", &format!("/api/orders{query}")).await;
    }
    for role in [Role::User, Role::Admin, Role::OtherUser] {
        api.send(role, "GET", &path_of(&first)).await;
    }
    let of_user = format!("?userId={}", user.id());
    for query in [
        "",
        "?limit=1",
        &*of_user,
        "?status=pending",
        "?from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z",
        "?from=2020-01-01",
        "?from=x",
        "?userId=x",
        "?status=x",
        "?cursor=x",
        "?limit=x",
    ] {
        api.send(Role::Admin, "GET", &format!("/api/admin/orders{query}")).await;
    }
    for status in ["confirmed", "paid", "pending", "shipped", "cancelled", "completed", "completed"] {
        api.send_json(Role::Admin, "PATCH", &path_of(&first), json!({"status": status})).await;
    }
    api.send_json(Role::User, "PATCH", &path_of(&second), json!({"status": "paid"})).await;
    let cancel = |order: &Value| format!("{}/cancel", path_of(order));
    api.send(Role::User, "POST", &cancel(&first)).await;
    for role in [Role::OtherUser, Role::User, Role::User, Role::Admin] {
        api.send(role, "POST", &cancel(&second)).await;
    }
    let id = first["id"].as_str().unwrap();
    api.record_rejections(
        |path| path.contains("/orders") && path.starts_with("/api") && !path.ends_with("payment"),
        id,
    )
    .await;
    api.assert_unchanged("orders");
}

#[tokio::test]
async fn payments() {
    let mut api = Recorder::start().await;
    let user = api.client(Role::User);
    let order = user.buy(1, 2).await;
    let path = format!("{}/payment", path_of(&order));
    payments::make_unreachable(api.stripe());
    api.send(Role::User, "POST", &path).await;
    api.stripe().clear_faults();
    let mut intent = Value::Null;
    for role in [Role::User, Role::User, Role::OtherUser, Role::Admin] {
        let response = api.send(role, "POST", &path).await;
        if response.status == 200 {
            intent = response.json;
        }
    }
    api.send(Role::User, "GET", &path_of(&order)).await;

    for signature in [None, Some("x")] {
        let mut request = api
            .request(Role::Anonymous, "POST", WEBHOOK)
            .header("content-type", "application/json")
            .body("{}");
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        api.record(Role::Anonymous, request).await;
    }
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let mut ignored = api.stripe().event("customer.created", &json!({"id": "cus_1"}));
    ignored["id"] = json!("evt_1");
    let ignored = ignored.to_string();
    for body in ["{", "{}", &*ignored, &"x".repeat(2 * 1024 * 1024)] {
        let signature = api.stripe().sign(body.as_bytes(), now);
        let request = api
            .request(Role::Anonymous, "POST", WEBHOOK)
            .header("stripe-signature", signature)
            .body(body.to_owned());
        api.record(Role::Anonymous, request).await;
    }
    api.test.enable_webhooks();
    api.test.pay(&intent, Card::Visa).await;
    user.wait_for_order(&order, "paid").await;
    api.send(Role::User, "GET", &path_of(&order)).await;
    api.send(Role::User, "POST", &path).await;
    // Not recorded: the refund may be pending in this response, or completed.
    user.cancel(&order).await.expect(200);
    user.wait_for_payment(&order, "stripe refunded").await;
    api.send(Role::User, "GET", &path_of(&order)).await;
    api.send(Role::User, "POST", &path).await;
    let confirmed = user.buy(1, 1).await;
    api.client(Role::Admin).update_order_status(&confirmed, "confirmed").await.expect(200);
    api.send(Role::User, "POST", &format!("{}/payment", path_of(&confirmed))).await;
    let id = order["id"].as_str().unwrap();
    api.record_rejections(|path| path.ends_with("/payment"), id).await;
    reviews(&mut api).await;

    let offline = TestStore::start().await;
    let mug = offline.admin().create_product("Mug", "19.99", 5).await;
    let user = offline.register("ada").await;
    let order = user.buy(mug, 1).await;
    let request = user.request(Method::POST, &format!("{}/payment", path_of(&order)));
    api.record(Role::User, request).await;
    let request = offline.guest().request(Method::POST, WEBHOOK).header("stripe-signature", "x").body("{}");
    api.record(Role::Anonymous, request).await;
    api.assert_unchanged("payments");
}

/// Records the review of money whose amount is not that of its order.
async fn reviews(api: &mut Recorder) {
    let user = api.client(Role::User);
    let order = user.buy(1, 1).await;
    let intent = user.start_payment(&order).await.expect(200).json;
    let mut object = api.stripe().object(intent["paymentIntentId"].as_str().unwrap()).unwrap();
    object["status"] = json!("succeeded");
    object["amount_received"] = json!(1);
    let event = api.stripe().event("payment_intent.succeeded", &object);
    assert_eq!(api.stripe().post_event(&event).await, Some(200));
    api.send(Role::User, "GET", &path_of(&order)).await;
    api.send(Role::User, "POST", &format!("{}/payment", path_of(&order))).await;
    let mut review = Value::Null;
    for query in ["?needsReview=true", "?needsReview=false", "?needsReview=x", "?cursor=x", "?limit=0"] {
        let response = api.send(Role::Admin, "GET", &format!("/api/admin/payments{query}")).await;
        if query == "?needsReview=true" {
            review = response.json["items"][0].clone();
        }
    }
    let id = review["id"].as_str().unwrap();
    let path = format!("/api/admin/payments/{id}/resolve");
    for body in [
        json!({"resolution": "unknown"}),
        json!({"resolution": "refunded", "note": "by bank transfer"}),
        json!({"resolution": "refunded"}),
    ] {
        api.send_json(Role::Admin, "POST", &path, body).await;
    }
    let unknown = path.replace(id, "00000000-0000-0000-0000-000000000000");
    api.send_json(Role::Admin, "POST", &unknown, json!({"resolution": "retry"})).await;
    api.record_rejections(|path| path.starts_with("/api/admin/payments"), id).await;
}

#[tokio::test]
async fn operations() {
    let mut api = Recorder::start().await;
    for path in
        ["/healthz", "/readyz", "/status", "/.well-known/jwks.json", "/metrics", "/unknown", "/api/unknown"]
    {
        for role in [Role::Anonymous, Role::InvalidToken, Role::Admin] {
            api.send(role, "GET", path).await;
        }
    }
    for (method, path) in [
        ("HEAD", "/healthz"),
        ("HEAD", "/api/products"),
        ("HEAD", "/openapi.json"),
        ("HEAD", "/docs"),
        ("HEAD", "/docs/"),
        ("POST", "/healthz"),
        ("DELETE", "/api/auth/login"),
        ("PUT", "/api/products"),
        ("GET", "/cart/add"),
        ("TRACE", "/api/products"),
    ] {
        api.send(Role::Anonymous, method, path).await;
    }
    for (method, headers) in [
        ("OPTIONS", vec![("origin", "https://page.example"), ("access-control-request-method", "PUT")]),
        ("GET", vec![("origin", "https://page.example")]),
        ("GET", vec![("accept-encoding", "gzip")]),
        ("GET", vec![("x-request-id", "from-the-client")]),
    ] {
        let request = api.request(Role::Anonymous, method, "/api/categories");
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        api.record(Role::Anonymous, request).await;
    }
    api.assert_unchanged("operations");
}
