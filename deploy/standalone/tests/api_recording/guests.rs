//! Orders of guests.

use serde_json::json;

use super::recorder::{Recorder, Role};
use crate::harness::payments::path_of;

#[tokio::test]
async fn guests() {
    let mut api = Recorder::start().await;
    let contact = json!({"contact": {"email": "guest@shop.example", "name": "Guest"}});
    for path in ["/api/checkout/quote", "/api/orders", "/orders"] {
        let unknown = api.request(Role::Anonymous, "POST", path).header("x-cart-token", "A".repeat(43));
        api.record(Role::Anonymous, unknown.json(&contact)).await;
    }
    api.send(Role::Guest, "POST", "/api/checkout/quote").await;
    api.send_json(Role::Guest, "POST", "/api/orders", json!({})).await;
    api.send_json(Role::Guest, "POST", "/api/orders", json!({"contact": {"name": "Guest"}})).await;
    let mut saved_address = contact.clone();
    saved_address["shippingAddress"] = json!({"addressIndex": 0});
    api.send_json(Role::Guest, "POST", "/api/orders", saved_address).await;
    let request = api.request(Role::Guest, "POST", "/api/orders").header("idempotency-key", "guest");
    let order = api.record(Role::Guest, request.json(&contact)).await.expect(201).json;
    api.send_json(Role::Guest, "POST", "/api/orders", contact).await;

    let path = path_of(&order);
    let token = order["accessToken"].as_str().unwrap();
    let wrong = "A".repeat(43);
    for (method, path) in
        [("GET", path.clone()), ("POST", format!("{path}/payment")), ("POST", format!("{path}/cancel"))]
    {
        for token in [&wrong, token] {
            let request = api.request(Role::Anonymous, method, &path).header("x-order-token", token);
            api.record(Role::Anonymous, request).await;
        }
    }
    for (role, token) in
        [(Role::User, &*wrong), (Role::User, token), (Role::OtherUser, token), (Role::User, "")]
    {
        let request = api.request(role, "POST", &format!("{path}/claim")).header("x-order-token", token);
        api.record(role, request).await;
    }
    let id = order["id"].as_str().unwrap().to_owned();
    api.record_rejections(|path| path.ends_with("/claim") || path.ends_with("/contact"), &id).await;
    api.send(Role::Admin, "DELETE", &format!("/api/admin/orders/{id}/contact")).await;
    api.send(Role::Admin, "GET", "/api/admin/orders").await;
    api.assert_unchanged("guests");
}
