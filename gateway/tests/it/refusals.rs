//! What is wrong with a request is said as a problem, and named.

use http::Method;
use serde_json::json;

use crate::shop::{Answered as _, BODY_LIMIT, Shop};

#[tokio::test]
async fn a_path_with_nothing_at_it_is_a_problem() {
    let shop = Shop::open().await;
    for path in ["/", "/nothing", "/api", "/api/nothing", "/api/categories/", "/docs/nothing.js"] {
        shop.get(path).answer().await.problem(404, "no_such_route");
        shop.request(Method::DELETE, "/nothing").answer().await.problem(404, "no_such_route");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let shop = Shop::open().await;
    for (method, path, allowed) in [
        ("DELETE", "/api/users/me", "GET,HEAD,PATCH,PUT"),
        ("GET", "/api/auth/login", "POST"),
        ("POST", "/openapi.json", "GET,HEAD"),
        ("POST", "/docs/index.html", "GET,HEAD"),
        ("BREW", "/api/auth/logout", "POST"),
    ] {
        let answer = shop.request(method.parse().unwrap(), path).answer().await;
        answer.problem(405, "method_not_allowed");
        let mut allow: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_malformed() {
    let shop = Shop::open().await;
    let deep = "[".repeat(BODY_LIMIT - 100);
    for body in [
        "",
        "{",
        "null x",
        "{'email': 1}",
        r#"{"email": "a",}"#,
        "\u{feff}{}",
        &deep,
        &format!(r#"{{"password": {deep}"#),
        &format!(r#"{{"unknown": {deep}"#),
    ] {
        let request = shop.request(Method::POST, "/api/auth/login");
        let answer = request.header("content-type", "application/json").body(body.to_owned()).answer().await;
        assert!([400, 422].contains(&answer.status), "{answer:?}");
    }
    let request = shop.request(Method::POST, "/api/auth/login");
    let request = request.header("content-type", "application/json").body(b"{\"email\": \"\xff\"}".to_vec());
    assert_eq!(request.answer().await.refused_field(400, "malformed_request"), "body");
}

#[tokio::test]
async fn nesting_however_deep_is_refused() {
    let shop = Shop::open().await;
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let depth = BODY_LIMIT / 8;
        let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        for body in [nested.clone(), format!(r#"{{"email": {nested}}}"#), format!(r#"{{"more": {nested}}}"#)]
        {
            let request = shop.request(Method::POST, "/api/auth/login");
            let answer = request.header("content-type", "application/json").body(body).answer().await;
            assert!([400, 422].contains(&answer.status), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn fields_are_refused_by_name() {
    let shop = Shop::open().await;
    for (body, field) in [
        (r#"[]"#, "body"),
        (r#"{"email": "a@b.c"}"#, "password"),
        (r#"{"email": "a@b.c", "password": 7}"#, "password"),
        (r#"{"email": "a@b.c", "password": "x", "remember": true}"#, "remember"),
        (r#"{"email": "a@b.c", "email": "d@e.f", "password": "x"}"#, "email"),
        (r#"{"password": "x"}"#, "email"),
        (r#"{"username": "a", "login": "a", "password": "x"}"#, "login"),
    ] {
        let request = shop.request(Method::POST, "/api/auth/login");
        let answer = request.header("content-type", "application/json").body(body).answer().await;
        assert_eq!(answer.refused_field(422, "invalid_field"), field, "{body}");
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let shop = Shop::open().await;
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "\u{e9}"] {
        let request = shop.request(Method::POST, "/api/auth/login").header("content-type", media_type);
        request.body("{}").answer().await.problem(415, "unsupported_media_type");
    }
    let request = shop.request(Method::POST, "/api/auth/login");
    request.body("{}").answer().await.problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_however_it_is_sent() {
    let shop = Shop::open().await;
    for size in [BODY_LIMIT + 1, 8 * 1024 * 1024] {
        let request = shop.post("/api/auth/login", json!({"email": "x".repeat(size)}));
        request.answer().await.problem(413, "too_large");
    }
    let chunk = "x".repeat(BODY_LIMIT);
    let chunk = format!("{:x}\r\n{chunk}\r\n", chunk.len());
    let head = "POST /api/auth/login HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let answer = shop.send_raw(format!("{head}{chunk}{chunk}0\r\n\r\n")).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert!(answer.text.contains("too_large"), "{answer:?}");
}

#[tokio::test]
async fn query_parameters_are_refused_by_name() {
    let shop = Shop::open().await;
    for (query, field) in [
        ("limt=5", "limt"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=1&limit=2", "limit"),
    ] {
        let answer = shop.get(&format!("/api/categories?{query}")).answer().await;
        assert_eq!(answer.refused_field(400, "malformed_request"), field, "{query}");
    }
}

#[tokio::test]
async fn an_id_that_is_none_is_malformed() {
    let shop = Shop::open().await;
    for id in ["7", "not-a-uuid", "%00", "%ff%fe", "..%2f..", "%E2%80%AE", "a%20b"] {
        let request = shop.get(&format!("/api/users/{id}")).bearer_auth(shop.identity.admin());
        assert_eq!(request.answer().await.refused_field(400, "malformed_request"), "id", "{id}");
    }
}

#[tokio::test]
async fn odd_requests_get_an_answer_and_break_nothing() {
    let shop = Shop::open().await;
    let long = "x".repeat(100_000);
    for (head, status) in [
        ("GET /api/categories/%ff%00 HTTP/1.1".to_owned(), 400),
        ("GET /%ff%fe/%00 HTTP/1.1".to_owned(), 404),
        ("GET /api/users/me?a=%00&%ff=%ff HTTP/1.1".to_owned(), 401),
        ("GET /api/categories?cursor=%00&limit=%ff HTTP/1.1".to_owned(), 400),
        ("GET /\u{fc}ber HTTP/1.1".to_owned(), 404),
        (format!("GET /{long} HTTP/1.1"), 414),
        (format!("GET /nothing HTTP/1.1\r\nx-long: {long}"), 404),
        (format!("GET /nothing HTTP/1.1\r\nauthorization: Bearer {long}"), 404),
        (format!("GET /nothing HTTP/1.1\r\n{}", "x-many: 1\r\n".repeat(500).trim_end()), 431),
        ("GET http://elsewhere/nothing HTTP/1.1".to_owned(), 404),
        ("OPTIONS * HTTP/1.1".to_owned(), 200),
    ] {
        let request = format!("{head}\r\nhost: shop\r\nconnection: close\r\n\r\n");
        let answer = shop.send_raw(request).await;
        let shown = &head[..head.len().min(60)];
        assert_eq!(answer.status, status, "{shown}: {answer:?}");
    }
    assert_eq!(shop.get("/healthz").answer().await.status, 200);
}
