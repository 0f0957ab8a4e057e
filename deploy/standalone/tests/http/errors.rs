//! Errors: the "Errors" section of the contract, a kind a row.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::harness::{
    responses::assert_fields,
    store::{PASSWORD, Response, Shop, in_the_end},
};

/// Fails unless `answer` is a problem, complete, that names these fields and shows nothing internal.
#[track_caller]
fn assert_problem(answer: &Response, status: u16, code: &str, fields: &[&str]) {
    let problem = &answer.json;
    let errors = if fields.is_empty() { "" } else { "errors" };
    assert_fields(problem, &format!("type title status detail code requestId {errors}"));
    assert_eq!((answer.status, &problem["status"]), (status, &json!(status)), "{answer:?}");
    assert_eq!((answer.code(), answer.refused_fields()), (code, fields.to_vec()), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
    assert_eq!(problem["type"], format!("/problems/{code}"), "{answer:?}");
    assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
    for field in ["title", "detail"] {
        assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{answer:?}");
    }
    assert_eq!(problem["requestId"], answer.header("x-request-id"), "{answer:?}");
    assert!(!answer.header("x-request-id").is_empty());
    for error in problem["errors"].as_array().into_iter().flatten() {
        assert_fields(error, "field message");
    }
    let shown = answer.text.to_lowercase();
    for internal in ["sqlx", "postgres", "panicked", "::", "grpc", "select ", "constraint"] {
        assert!(!shown.contains(internal), "{internal}: {answer:?}");
    }
    assert_eq!(!answer.header("www-authenticate").is_empty(), status == 401, "{answer:?}");
    assert_eq!(!answer.header("retry-after").is_empty(), [429, 503].contains(&status), "{answer:?}");
}

#[tokio::test]
async fn every_kind_of_failure_is_a_problem_that_can_be_told_from_others() {
    let shop = Shop::start().await;
    let (admin, guest, ada) = (shop.admin(), shop.guest(), shop.register("ada").await);
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
    let stranger = guest.clone().with("authorization", "Bearer x");
    assert_problem(&stranger.get("/api/users/me").await, 401, "invalid_token", &[]);
    assert_problem(&ada.get("/api/users").await, 403, "admin_only", &[]);
    assert_problem(&guest.get("/nothing").await, 404, "no_such_route", &[]);
    assert_problem(&guest.get("/api/products/999").await, 404, "product_not_found", &[]);
    let order = admin.buy(mug, 1).await;
    let theirs = format!("/api/orders/{}", order["id"].as_str().unwrap());
    assert_problem(&ada.get(&theirs).await, 404, "order_not_found", &[]);
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
    let refused = json!({"name": "", "price": -1, "stock": 5});
    assert_problem(&admin.post("/api/products", refused).await, 422, "invalid_field", &["price"]);
    let refused = json!({"name": "", "price": 1, "stock": -5});
    assert_problem(&admin.post("/api/products", refused).await, 422, "invalid_field", &["stock", "name"]);
}

#[tokio::test]
async fn a_request_is_known_by_the_id_its_client_gave_it() {
    let shop = Shop::start().await;
    let named = shop.guest().clone().with("x-request-id", "of-a-client-7");
    let refused = named.get("/api/users/me").await.expect_problem(401, "unauthenticated");
    assert_eq!(
        (&refused.json["requestId"], refused.header("x-request-id")),
        (&json!("of-a-client-7"), "of-a-client-7")
    );
    assert_eq!(named.get("/api/products").await.expect(200).header("x-request-id"), "of-a-client-7");
    let other = shop.guest().clone().with("x-request-id", "no id").get("/nothing").await;
    assert_ne!(other.header("x-request-id"), "no id");
}

/// Contract: 503 and `Retry-After` while a dependency is down, and all is well when it is back.
#[tokio::test]
async fn a_database_that_is_down_is_a_503_that_passes() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let ada = shop.register("ada").await;
    ada.add_to_cart(mug, 1).await.expect(200);

    // Nobody but a superuser gets in.
    let mut owner = shop.sql().await.acquire().await.unwrap();
    let mut admit = async |limit: i32| {
        let sql = format!(
            "do $$ begin execute format('alter database %I connection limit {limit}', current_database()); end $$;
             select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and usename <> current_user"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *owner).await.unwrap();
    };
    admit(0).await;
    let (guest, login) = (shop.guest(), json!({"login": "ada", "password": PASSWORD}));
    let answers = tokio::join!(
        guest.get("/api/products"),
        ada.get("/api/cart"),
        ada.place_order(),
        guest.post("/api/auth/login", login),
    );
    for answer in <[_; 4]>::from(answers) {
        assert_problem(&answer, 503, "upstream_unavailable", &[]);
    }
    shop.guest().get("/healthz").await.expect(200);
    admit(-1).await;

    in_the_end(async || shop.guest().get("/api/products").await).await.expect(200);
    in_the_end(async || ada.place_order_with_key("checkout").await).await.expect(201);
    assert_eq!(in_the_end(async || ada.get(&format!("/api/products/{mug}")).await).await.json["stock"], 4);
    shop.verify().await;
}

/// Contract: 429 and `Retry-After`, where more passwords come than can be hashed.
#[tokio::test]
async fn too_many_logins_at_once_are_sent_away_for_a_while() {
    let shop = Shop::start_hashing_for(Duration::from_millis(50)).await;
    let body = json!({"login": "nobody", "password": PASSWORD});
    let logins = (0..40).map(|_| shop.guest().post("/api/auth/login", body.clone()));
    let answers = futures_util::future::join_all(logins).await;
    let mut sent_away = 0;
    for answer in &answers {
        match answer.status {
            401 => assert_problem(answer, 401, "invalid_credentials", &[]),
            _ => {
                assert_problem(answer, 429, "too_busy", &[]);
                sent_away += 1;
            }
        }
    }
    assert!((1..40).contains(&sent_away), "{sent_away} of 40");
    shop.guest().post("/api/auth/login", body).await.expect(401);
}
