//! Errors: every kind is a complete `application/problem+json`.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::harness::{
    responses::assert_fields,
    store::{PASSWORD, Response, TestStore, retry_while_unavailable},
};

/// Asserts that a response is a complete problem, names these fields, and contains no internal details.
#[track_caller]
fn assert_problem(response: &Response, status: u16, code: &str, fields: &[&str]) {
    let problem = &response.json;
    let errors = if fields.is_empty() { "" } else { "errors" };
    assert_fields(problem, &format!("type title status detail code requestId {errors}"));
    assert_eq!((response.status, &problem["status"]), (status, &json!(status)), "{response:?}");
    assert_eq!((response.code(), response.error_fields()), (code, fields.to_vec()), "{response:?}");
    assert_eq!(response.header("content-type"), "application/problem+json", "{response:?}");
    assert_eq!(problem["type"], format!("/problems/{code}"), "{response:?}");
    assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
    for field in ["title", "detail"] {
        assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{response:?}");
    }
    assert_eq!(problem["requestId"], response.header("x-request-id"), "{response:?}");
    assert!(!response.header("x-request-id").is_empty());
    for error in problem["errors"].as_array().into_iter().flatten() {
        assert_fields(error, "field message");
    }
    let text = response.text.to_lowercase();
    for internal in ["sqlx", "postgres", "panicked", "::", "grpc", "select ", "constraint"] {
        assert!(!text.contains(internal), "{internal}: {response:?}");
    }
    assert_eq!(!response.header("www-authenticate").is_empty(), status == 401, "{response:?}");
    assert_eq!(!response.header("retry-after").is_empty(), [429, 503].contains(&status), "{response:?}");
}

#[tokio::test]
async fn every_error_is_a_problem_with_a_distinct_code() {
    let store = TestStore::start().await;
    let (admin, guest, ada) = (store.admin(), store.guest(), store.register("ada").await);
    let mug = admin.create_product("Mug", "19.99", 5).await;
    let path = format!("/api/products/{mug}");
    let post = |body: &'static str| {
        guest.request(Method::POST, "/api/auth/login").header("content-type", "application/json").body(body)
    };

    assert_problem(&guest.send(post("{")).await, 400, "malformed_request", &["body"]);
    assert_problem(&guest.get("/api/products/x").await, 400, "malformed_request", &["id"]);
    assert_problem(&guest.get("/api/products?limt=1").await, 400, "malformed_request", &["limt"]);
    assert_problem(&guest.get("/api/products?cursor=x").await, 400, "invalid_cursor", &["cursor"]);
    assert_problem(&guest.get("/api/users/me").await, 401, "unauthenticated", &[]);
    let forged = guest.clone().with("authorization", "Bearer x");
    assert_problem(&forged.get("/api/users/me").await, 401, "invalid_token", &[]);
    assert_problem(&ada.get("/api/users").await, 403, "admin_only", &[]);
    assert_problem(&guest.get("/nothing").await, 404, "no_such_route", &[]);
    assert_problem(&guest.get("/api/products/999").await, 404, "product_not_found", &[]);
    let order = admin.buy(mug, 1).await;
    let order_path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    assert_problem(&ada.get(&order_path).await, 404, "order_not_found", &[]);
    let wrong_method = guest.delete("/api/auth/login").await;
    assert_problem(&wrong_method, 405, "method_not_allowed", &[]);
    assert_eq!(wrong_method.header("allow"), "POST");
    assert_problem(&ada.place_order().await, 409, "empty_cart", &[]);
    ada.add_to_cart(mug, 9).await.expect(200);
    let line = format!("products[{mug}]");
    assert_problem(&ada.place_order().await, 409, "out_of_stock", &[&line]);
    let stale = admin.request(Method::PATCH, &path).header("if-match", "\"99\"").json(&json!({"stock": 1}));
    assert_problem(&admin.send(stale).await, 412, "version_mismatch", &[]);
    let large = json!({"login": "x".repeat(300_000), "password": PASSWORD});
    assert_problem(&guest.post("/api/auth/login", large).await, 413, "too_large", &[]);
    let text = guest.request(Method::POST, "/api/auth/login").header("content-type", "text/plain").body("{}");
    assert_problem(&guest.send(text).await, 415, "unsupported_media_type", &[]);
    let rejected = json!({"name": "", "price": -1, "stock": 5});
    assert_problem(&admin.post("/api/products", rejected).await, 422, "invalid_field", &["price"]);
    let rejected = json!({"name": "", "price": 1, "stock": -5});
    assert_problem(&admin.post("/api/products", rejected).await, 422, "invalid_field", &["stock", "name"]);
}

#[tokio::test]
async fn uses_the_request_id_of_the_client() {
    let store = TestStore::start().await;
    let named = store.guest().clone().with("x-request-id", "of-a-client-7");
    let rejected = named.get("/api/users/me").await.expect_problem(401, "unauthenticated");
    assert_eq!(
        (&rejected.json["requestId"], rejected.header("x-request-id")),
        (&json!("of-a-client-7"), "of-a-client-7")
    );
    assert_eq!(named.get("/api/products").await.expect(200).header("x-request-id"), "of-a-client-7");
    let other = store.guest().clone().with("x-request-id", "no id").get("/nothing").await;
    assert_ne!(other.header("x-request-id"), "no id");
}

/// 503 and `Retry-After` while the database is down; requests succeed again afterwards.
#[tokio::test]
async fn returns_503_while_the_database_is_down() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let ada = store.register("ada").await;
    ada.add_to_cart(mug, 1).await.expect(200);

    // Only superusers can connect.
    let mut owner = store.sql().await.acquire().await.unwrap();
    let mut admit = async |limit: i32| {
        let sql = format!(
            "do $$ begin execute format('alter database %I connection limit {limit}', current_database()); end $$;
             select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and usename <> current_user"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *owner).await.unwrap();
    };
    admit(0).await;
    let (guest, login) = (store.guest(), json!({"login": "ada", "password": PASSWORD}));
    let responses = tokio::join!(
        guest.get("/api/products"),
        ada.get("/api/cart"),
        ada.place_order(),
        guest.post("/api/auth/login", login),
    );
    for response in <[_; 4]>::from(responses) {
        assert_problem(&response, 503, "upstream_unavailable", &[]);
    }
    store.guest().get("/healthz").await.expect(200);
    admit(-1).await;

    retry_while_unavailable(async || store.guest().get("/api/products").await).await.expect(200);
    retry_while_unavailable(async || ada.place_order_with_key("checkout").await).await.expect(201);
    assert_eq!(
        retry_while_unavailable(async || ada.get(&format!("/api/products/{mug}")).await).await.json["stock"],
        4
    );
    store.verify().await;
}

/// 429 and `Retry-After` if passwords arrive faster than they can be hashed.
#[tokio::test]
async fn returns_429_for_too_many_concurrent_logins() {
    let store = TestStore::start_with_hash_wait(Duration::from_millis(50)).await;
    let body = json!({"login": "unknown", "password": PASSWORD});
    let logins = (0..40).map(|_| store.guest().post("/api/auth/login", body.clone()));
    let responses = futures_util::future::join_all(logins).await;
    let mut sent_away = 0;
    for response in &responses {
        match response.status {
            401 => assert_problem(response, 401, "invalid_credentials", &[]),
            _ => {
                assert_problem(response, 429, "too_busy", &[]);
                sent_away += 1;
            }
        }
    }
    assert!((1..40).contains(&sent_away), "{sent_away} of 40");
    store.guest().post("/api/auth/login", body).await.expect(401);
}
