//! API keys: their exchange for access tokens, and what they may not do.

use bodega_proto::{
    catalog::v1::{DeleteTagRequest, DeleteTagResponse},
    order::v1::{ListAllOrdersRequest, ListAllOrdersResponse},
};
use http::Method;
use serde_json::json;
use uuid::Uuid;

use crate::{
    fake_identity::ApiKey,
    test_app::{SendRequest as _, TestApp, TestResponse},
};

const KEY: &str = "bodega_the_key_of_the_tests";

fn key() -> ApiKey {
    ApiKey { text: KEY.into(), id: Uuid::now_v7(), scope: "orders:read".into(), lifetime: 300 }
}

async fn gateway(key: &ApiKey) -> TestApp {
    let gateway = TestApp::start().await;
    gateway.orders.on("ListAllOrders", |_: ListAllOrdersRequest| Ok(ListAllOrdersResponse::default()));
    gateway.identity.accept_api_key(Some(key.clone()));
    gateway
}

async fn orders(gateway: &TestApp, key: &str) -> TestResponse {
    gateway.get("/api/admin/orders").bearer_auth(key).fetch().await
}

#[tokio::test]
async fn exchanges_a_key_once_and_forwards_the_access_token() {
    let gateway = gateway(&key()).await;
    for _ in 0..3 {
        assert_eq!(orders(&gateway, KEY).await.status, 200);
    }
    assert_eq!(gateway.identity.sent_api_keys(), [KEY]);
    let sent = gateway.orders.metadata("ListAllOrders")["authorization"].to_str().unwrap().to_owned();
    assert!(sent.starts_with("Bearer ey") && !sent.contains(KEY), "{sent}");
}

#[tokio::test]
async fn asks_again_when_most_of_the_lifetime_is_over() {
    let gateway = gateway(&ApiKey { lifetime: 0, ..key() }).await;
    for _ in 0..2 {
        assert_eq!(orders(&gateway, KEY).await.status, 200);
    }
    assert_eq!(gateway.identity.sent_api_keys(), [KEY, KEY]);
    gateway.identity.accept_api_key(None);
    orders(&gateway, KEY).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn rejects_unknown_keys_without_asking_each_time() {
    let gateway = gateway(&key()).await;
    for _ in 0..3 {
        let response = orders(&gateway, "bodega_unknown").await;
        response.problem(401, "invalid_token");
        assert_eq!(response.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    }
    assert_eq!(gateway.identity.sent_api_keys(), ["bodega_unknown"]);
    orders(&gateway, &format!("bodega_{}", "x".repeat(200))).await.problem(401, "invalid_token");
    assert_eq!(gateway.identity.sent_api_keys().len(), 1, "too long to be sent");
}

#[tokio::test]
async fn rejects_a_key_as_soon_as_it_is_revoked() {
    let key = key();
    let gateway = gateway(&key).await;
    assert_eq!(orders(&gateway, KEY).await.status, 200);
    gateway.identity.end_session(key.id);
    let started = std::time::Instant::now();
    while orders(&gateway, KEY).await.status == 200 {
        assert!(started.elapsed() < std::time::Duration::from_secs(10));
    }
    orders(&gateway, KEY).await.problem(401, "invalid_token");
    assert_eq!(gateway.identity.sent_api_keys().len(), 1);
}

#[tokio::test]
async fn keys_are_no_users_and_no_admins() {
    let gateway = gateway(&key()).await;
    for (method, path) in [
        (Method::GET, "/api/users/me"),
        (Method::GET, "/api/cart"),
        (Method::GET, "/cart"),
        (Method::GET, "/api/orders"),
        (Method::POST, "/api/auth/logout"),
        (Method::GET, "/api/admin/api-keys"),
        (Method::DELETE, "/api/users/0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10"),
    ] {
        let response = gateway.request(method.clone(), path).bearer_auth(KEY).fetch().await;
        response.problem(403, "insufficient_scope");
        assert_eq!(
            response.header("www-authenticate"),
            r#"Bearer error="insufficient_scope""#,
            "{method} {path}"
        );
    }
}

/// The service checks the scope.
#[tokio::test]
async fn forwards_requests_with_a_scope() {
    let gateway = gateway(&key()).await;
    let calls = gateway.catalog.on("DeleteTag", |_: DeleteTagRequest| Ok(DeleteTagResponse {}));
    let request = gateway.request(Method::DELETE, "/api/tags/7").bearer_auth(KEY);
    assert_eq!(request.fetch().await.status, 204);
    assert_eq!(calls.count(), 1);
    let document = serde_json::to_value(bodega_gateway::openapi()).unwrap();
    let security = &document["paths"]["/api/tags/{id}"]["delete"]["security"];
    assert_eq!(*security, json!([{"bearer": ["catalog:write"]}]));
}
