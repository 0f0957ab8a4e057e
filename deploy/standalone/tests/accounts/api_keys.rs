//! API keys in the whole store.

use serde_json::json;

use crate::harness::store::{Client, TestStore};

/// Creates a key; returns its id and a client that sends it.
async fn key(store: &TestStore, scopes: &[&str]) -> (String, Client) {
    let body = json!({"name": "machine", "scopes": scopes});
    let created = store.admin().post("/api/admin/api-keys", body).await.expect(201).json;
    let bearer = format!("Bearer {}", created["key"].as_str().unwrap());
    (created["id"].as_str().unwrap().to_owned(), store.guest().clone().with("authorization", &bearer))
}

#[tokio::test]
async fn each_scope_allows_its_routes_only() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 9).await;
    let order = store.register("ada").await.buy(mug, 1).await;
    let order = format!("/api/orders/{}", order["id"].as_str().unwrap());
    let user = format!("/api/users/{}", store.admin().id());
    for scope in [
        "catalog:write",
        "orders:read",
        "orders:write",
        "payments:write",
        "users:read",
        "audit:read",
        "settings:write",
    ] {
        let (_, machine) = key(&store, &[scope]).await;
        let tag = machine.post("/api/tags", json!({"name": scope})).await;
        let responses = [
            ("catalog:write", tag),
            ("orders:read", machine.get("/api/admin/orders").await),
            ("orders:read", machine.get(&order).await),
            ("orders:write", machine.patch(&order, json!({"status": "confirmed"})).await),
            ("users:read", machine.get("/api/users").await),
            ("users:read", machine.get(&user).await),
            ("settings:write", machine.get("/api/settings").await),
            ("settings:write", machine.get("/api/discounts").await),
            ("none", machine.patch(&user, json!({"disabled": true})).await),
            ("none", machine.get("/api/admin/api-keys").await),
            ("none", machine.get("/api/cart").await),
            ("none", machine.post("/api/orders", json!({})).await),
        ];
        for (needed, response) in responses {
            if needed == scope {
                assert!(response.status < 300, "{scope}: {response:?}");
            } else {
                response.expect_problem(403, "insufficient_scope");
            }
        }
        machine.get("/api/products").await.expect(200);
    }
    store.verify().await;
}

#[tokio::test]
async fn a_refund_needs_a_scope_of_its_own() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 9).await;
    let order = store.register("ada").await.buy(mug, 1).await;
    let (_, orders) = key(&store, &["orders:write"]).await;
    orders.update_order_status(&order, "paid").await.expect(200);
    orders.cancel(&order).await.expect_problem(403, "insufficient_scope");
    orders.update_order_status(&order, "cancelled").await.expect_problem(403, "insufficient_scope");
    assert_eq!(store.admin().order(&order).await["status"], "paid", "nothing has changed");
    let (_, payments) = key(&store, &["orders:write", "payments:write"]).await;
    let cancelled = payments.cancel(&order).await.expect(200).json;
    assert_eq!(cancelled["status"], "cancelled");
    store.verify().await;
}

#[tokio::test]
async fn a_revoked_key_is_rejected_at_once() {
    let store = TestStore::start().await;
    let (id, machine) = key(&store, &["orders:read"]).await;
    machine.get("/api/admin/orders").await.expect(200);
    let keys = store.admin().get("/api/admin/api-keys").await.expect(200);
    assert!(keys.items()[0]["lastUsedAt"].is_string(), "{keys:?}");
    store.admin().delete(&format!("/api/admin/api-keys/{id}")).await.expect(204);
    machine.get("/api/admin/orders").await.expect_problem(401, "invalid_token");
    store.guest().get("/api/products").await.expect(200);
}
