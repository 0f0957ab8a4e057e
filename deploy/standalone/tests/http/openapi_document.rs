//! The OpenAPI document, Swagger UI, health checks and public keys.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{
    responses::assert_fields,
    routes::{Access, routes},
    store::TestStore,
};

#[tokio::test]
async fn serves_swagger_ui() {
    let store = TestStore::start().await;
    let page = store.guest().get("/docs").await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    assert!(page.text.contains("swagger-ui"), "{page:?}");
    let settings = store.guest().get("/docs/swagger-initializer.js").await.expect(200);
    assert!(settings.text.contains("/openapi.json"), "{settings:?}");
    assert!(store.guest().get("/docs/swagger-ui-bundle.js").await.expect(200).text.len() > 100_000);
}

/// The documented scopes of an operation, if they exist: at most one.
fn scopes_of(operation: &Value) -> Vec<&str> {
    const SCOPES: [&str; 7] = [
        "catalog:write",
        "orders:read",
        "orders:write",
        "payments:write",
        "users:read",
        "audit:read",
        "settings:write",
    ];
    let documented = operation["security"][0]["bearer"].as_array().unwrap();
    let scopes: Vec<_> = SCOPES.into_iter().filter(|scope| documented.contains(&json!(scope))).collect();
    assert!(scopes.len() <= 1, "{documented:?}");
    scopes
}

#[tokio::test]
async fn documents_every_route_and_its_access() {
    let store = TestStore::start().await;
    let response = store.guest().get("/openapi.json").await.expect(200);
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.json["openapi"], "3.1.0");
    let paths = response.json["paths"].as_object().unwrap();
    let documented: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let wanted: BTreeSet<_> =
        routes().map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(documented, wanted);

    for (method, path, access) in routes() {
        let operation = &paths[path][method.to_lowercase()];
        // With a token, a user repeats the second factor.
        let is_optional = access == Access::UserOrGuest || (method, path) == ("POST", "/api/auth/2fa");
        let security = match access {
            _ if is_optional => json!([{}, {"bearer": []}]),
            Access::Anyone => json!(null),
            Access::User => json!([{"bearer": []}]),
            Access::Customer => json!([{"bearer": []}, {"cartToken": []}]),
            Access::OrderCustomer => json!([{"bearer": []}, {"orderToken": []}]),
            Access::OrderCustomerOrAdmin => json!([{"bearer": scopes_of(operation)}, {"orderToken": []}]),
            // API keys have scopes; `access_matrix` tries each operation with each of them.
            _ => json!([{"bearer": scopes_of(operation)}]),
        };
        assert_eq!(operation["security"], security, "{method} {path}");
        assert_eq!(operation["responses"].get("403").is_some(), access == Access::Admin, "{method} {path}");
    }
}

#[tokio::test]
async fn reports_liveness_and_readiness() {
    let store = TestStore::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(store.guest().get(path).await.expect(200).json, json!({"status": "ok"}), "{path}");
    }
    let status = store.guest().get("/status").await.expect(200).json;
    assert_eq!(status["status"], "ok");
    let names = status["services"].as_array().unwrap().iter().map(|service| &service["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["identity", "catalog", "cart", "order"]);
}

#[tokio::test]
async fn publishes_only_the_public_part_of_signing_keys() {
    let store = TestStore::start().await;
    let keys = store.guest().get("/.well-known/jwks.json").await.expect(200).json;
    assert_fields(&keys, "keys");
    let [key] = &keys["keys"].as_array().unwrap()[..] else { panic!("{keys}") };
    assert_fields(key, "kty crv alg use kid x");
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"), &json!("sig"))
    );
}
