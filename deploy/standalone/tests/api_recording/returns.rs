//! Refunds of parts and shipments.

use serde_json::{Value, json};

use super::recorder::{Recorder, Role};
use crate::harness::{payments::path_of, store::Client};

/// An order of three mugs and a spade with this status.
async fn order(api: &Recorder, status: &str) -> Value {
    let user: Client = api.client(Role::User);
    user.add_to_cart(1, 3).await.expect(200);
    let order = user.buy(3, 1).await;
    if status != "pending" {
        api.client(Role::Admin).update_order_status(&order, status).await.expect(200);
    }
    order
}

#[tokio::test]
async fn shipments() {
    let mut api = Recorder::start().await;
    let unpaid = order(&api, "pending").await;
    let path = |order: &Value| format!("{}/shipments", path_of(order));
    api.send_json(Role::Admin, "POST", &path(&unpaid), json!({})).await;
    let confirmed = order(&api, "confirmed").await;
    let parcel = json!({
        "lines": [{"variantId": 1, "quantity": 2}], "carrier": "DHL", "trackingNumber": "00340434161094042557",
        "trackingUrl": "https://dhl.example/00340434161094042557"
    });
    for body in [
        json!({"lines": [{"variantId": 1, "quantity": 0}]}),
        json!({"lines": [{"variantId": 2, "quantity": 1}]}),
        json!({"lines": [{"variantId": 1, "quantity": 4}]}),
        json!({"trackingUrl": "javascript:alert(1)"}),
    ] {
        api.send_json(Role::Admin, "POST", &path(&confirmed), body).await;
    }
    let request = api.request(Role::Admin, "POST", &path(&confirmed)).header("idempotency-key", "first");
    let request = request.json(&parcel);
    for _ in 0..2 {
        api.record(Role::Admin, request.try_clone().unwrap()).await;
    }
    api.record(Role::Admin, request.json(&json!({}))).await;
    api.send(Role::User, "GET", &path_of(&confirmed)).await;
    api.send(Role::User, "POST", &format!("{}/cancel", path_of(&confirmed))).await;
    for _ in 0..2 {
        api.send_json(Role::Admin, "POST", &path(&confirmed), json!({"carrier": "DHL"})).await;
    }
    api.send(Role::User, "GET", &path_of(&confirmed)).await;
    api.assert_unchanged("shipments");
}

#[tokio::test]
async fn refunds() {
    let mut api = Recorder::start().await;
    let unpaid = order(&api, "pending").await;
    let path = |order: &Value| format!("{}/refunds", path_of(order));
    let all = json!({"lines": [{"variantId": 1, "quantity": 3}], "restock": true});
    api.send_json(Role::Admin, "POST", &path(&unpaid), all.clone()).await;
    let request = api.request(Role::Admin, "POST", &path(&unpaid)).header("idempotency-key", "first");
    api.record(Role::Admin, request.json(&all)).await;
    let unknown = "/api/orders/00000000-0000-7000-8000-000000000000/refunds";
    let request = api.request(Role::Admin, "POST", unknown).header("idempotency-key", "first");
    api.record(Role::Admin, request.json(&all)).await;
    let paid = order(&api, "paid").await;
    for (key, body) in [
        ("empty", json!({})),
        ("both", json!({"amount": 1, "shipping": true})),
        ("line", json!({"lines": [{"variantId": 2, "quantity": 1}]})),
        ("none", json!({"lines": [{"variantId": 1, "quantity": 0}]})),
        ("twice", json!({"lines": [{"variantId": 1, "quantity": 1}, {"productId": 1, "quantity": 1}]})),
        ("more", json!({"lines": [{"variantId": 1, "quantity": 4}]})),
        ("amount", json!({"amount": 94.98})),
        ("mugs", json!({"lines": [{"variantId": 1, "quantity": 2}], "restock": true, "reason": "too small"})),
        ("mugs", json!({"lines": [{"variantId": 1, "quantity": 2}], "restock": true, "reason": "too small"})),
        ("mugs", json!({"lines": [{"variantId": 1, "quantity": 1}]})),
        ("part", json!({"amount": 10.01})),
        ("shipping", json!({"shipping": true})),
        ("again", json!({"lines": [{"variantId": 1, "quantity": 2}]})),
        ("rest", json!({"lines": [{"variantId": 1, "quantity": 1}, {"variantId": 3, "quantity": 1}]})),
        ("over", json!({"amount": 0.01})),
    ] {
        let request = api.request(Role::Admin, "POST", &path(&paid)).header("idempotency-key", key);
        api.record(Role::Admin, request.json(&body)).await;
    }
    api.send(Role::User, "GET", &path_of(&paid)).await;
    api.assert_unchanged("refunds");
}
