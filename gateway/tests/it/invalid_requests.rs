//! Malformed requests get a problem that names the error.

use http::Method;
use serde_json::json;

use crate::test_app::{BODY_LIMIT, SendRequest as _, TestApp};

#[tokio::test]
async fn returns_404_for_unknown_paths() {
    let gateway = TestApp::start().await;
    for path in ["/", "/nothing", "/api", "/api/nothing", "/api/categories/", "/docs/nothing.js"] {
        gateway.get(path).fetch().await.problem(404, "no_such_route");
        gateway.request(Method::DELETE, "/nothing").fetch().await.problem(404, "no_such_route");
    }
}

#[tokio::test]
async fn returns_405_with_the_allowed_methods() {
    let gateway = TestApp::start().await;
    for (method, path, allowed) in [
        ("DELETE", "/api/users/me", "GET,HEAD,PATCH,PUT"),
        ("GET", "/api/auth/login", "POST"),
        ("POST", "/openapi.json", "GET,HEAD"),
        ("POST", "/docs/index.html", "GET,HEAD"),
        ("BREW", "/api/auth/logout", "POST"),
    ] {
        let response = gateway.request(method.parse().unwrap(), path).fetch().await;
        response.problem(405, "method_not_allowed");
        let mut allow: Vec<_> = response.header("allow").split(',').map(str::trim).collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn rejects_a_body_that_is_not_json() {
    let gateway = TestApp::start().await;
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
        let request = gateway.request(Method::POST, "/api/auth/login");
        let response = request.header("content-type", "application/json").body(body.to_owned()).fetch().await;
        assert!([400, 422].contains(&response.status), "{response:?}");
    }
    let request = gateway.request(Method::POST, "/api/auth/login");
    let request = request.header("content-type", "application/json").body(b"{\"email\": \"\xff\"}".to_vec());
    assert_eq!(request.fetch().await.rejected_field(400, "malformed_request"), "body");
}

#[tokio::test]
async fn rejects_deeply_nested_json() {
    let gateway = TestApp::start().await;
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let depth = BODY_LIMIT / 8;
        let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        for body in [nested.clone(), format!(r#"{{"email": {nested}}}"#), format!(r#"{{"more": {nested}}}"#)]
        {
            let request = gateway.request(Method::POST, "/api/auth/login");
            let response = request.header("content-type", "application/json").body(body).fetch().await;
            assert!([400, 422].contains(&response.status), "{response:?}");
        }
    }
}

#[tokio::test]
async fn names_an_invalid_field() {
    let gateway = TestApp::start().await;
    for (body, field) in [
        (r#"[]"#, "body"),
        (r#"{"email": "a@b.c"}"#, "password"),
        (r#"{"email": "a@b.c", "password": 7}"#, "password"),
        (r#"{"email": "a@b.c", "password": "x", "remember": true}"#, "remember"),
        (r#"{"email": "a@b.c", "email": "d@e.f", "password": "x"}"#, "email"),
        (r#"{"password": "x"}"#, "email"),
        (r#"{"username": "a", "login": "a", "password": "x"}"#, "login"),
    ] {
        let request = gateway.request(Method::POST, "/api/auth/login");
        let response = request.header("content-type", "application/json").body(body).fetch().await;
        assert_eq!(response.rejected_field(422, "invalid_field"), field, "{body}");
    }
}

#[tokio::test]
async fn rejects_other_media_types() {
    let gateway = TestApp::start().await;
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "\u{e9}"] {
        let request = gateway.request(Method::POST, "/api/auth/login").header("content-type", media_type);
        request.body("{}").fetch().await.problem(415, "unsupported_media_type");
    }
    let request = gateway.request(Method::POST, "/api/auth/login");
    request.body("{}").fetch().await.problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn rejects_a_too_large_body_with_and_without_content_length() {
    let gateway = TestApp::start().await;
    for size in [BODY_LIMIT + 1, 8 * 1024 * 1024] {
        let request = gateway.post("/api/auth/login", json!({"email": "x".repeat(size)}));
        request.fetch().await.problem(413, "too_large");
    }
    let chunk = "x".repeat(BODY_LIMIT);
    let chunk = format!("{:x}\r\n{chunk}\r\n", chunk.len());
    let head = "POST /api/auth/login HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let response = gateway.send_raw(format!("{head}{chunk}{chunk}0\r\n\r\n")).await;
    assert_eq!(response.status, 413, "{response:?}");
    assert!(response.text.contains("too_large"), "{response:?}");
}

#[tokio::test]
async fn names_an_invalid_query_parameter() {
    let gateway = TestApp::start().await;
    for (query, field) in [
        ("limt=5", "limt"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=1&limit=2", "limit"),
    ] {
        let response = gateway.get(&format!("/api/categories?{query}")).fetch().await;
        assert_eq!(response.rejected_field(400, "malformed_request"), field, "{query}");
    }
}

#[tokio::test]
async fn rejects_a_malformed_id() {
    let gateway = TestApp::start().await;
    for id in ["7", "not-a-uuid", "%00", "%ff%fe", "..%2f..", "%E2%80%AE", "a%20b"] {
        let request = gateway.get(&format!("/api/users/{id}")).bearer_auth(gateway.identity.admin());
        assert_eq!(request.fetch().await.rejected_field(400, "malformed_request"), "id", "{id}");
    }
}

#[tokio::test]
async fn responds_to_unusual_requests() {
    let gateway = TestApp::start().await;
    let long = "x".repeat(100_000);
    for (head, status) in [
        ("GET /api/categories/%ff%00 HTTP/1.1".to_owned(), 400),
        ("GET /%ff%fe/%00 HTTP/1.1".to_owned(), 404),
        ("GET /api/users/me?a=%00&%ff=%ff HTTP/1.1".to_owned(), 401),
        ("GET /api/categories?cursor=%00&limit=%ff HTTP/1.1".to_owned(), 400),
        ("GET /\u{fc}ber HTTP/1.1".to_owned(), 404),
        (format!("GET /{} HTTP/1.1", &long[..30_000]), 404),
        (format!("GET /{long} HTTP/1.1"), 431),
        (format!("GET /nothing HTTP/1.1\r\nx-long: {}", &long[..30_000]), 404),
        (format!("GET /nothing HTTP/1.1\r\nauthorization: Bearer {}", &long[..30_000]), 404),
        (format!("GET /nothing HTTP/1.1\r\nx-long: {long}"), 431),
        (format!("GET /nothing HTTP/1.1\r\n{}", "x-many: 1\r\n".repeat(500).trim_end()), 431),
        ("GET http://elsewhere/nothing HTTP/1.1".to_owned(), 404),
        ("OPTIONS * HTTP/1.1".to_owned(), 200),
    ] {
        let request = format!("{head}\r\nhost: gateway\r\nconnection: close\r\n\r\n");
        let response = gateway.send_raw(request).await;
        let shown = &head[..head.len().min(60)];
        assert_eq!(response.status, status, "{shown}: {response:?}");
        if status >= 400 {
            response.problem(status, response.json()["code"].as_str().unwrap());
        }
    }
    assert_eq!(gateway.get("/healthz").fetch().await.status, 200);
}

#[tokio::test]
async fn requests_that_are_not_valid_http_get_a_problem() {
    let gateway = TestApp::start().await;
    let long = "x".repeat(70_000);
    for (request, status, code) in [
        ("no http at all\r\n\r\n".to_owned(), 400, "malformed_request"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n".to_owned(), 400, "malformed_request"),
        (format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"), 431, "header_too_large"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {long}\r\n\r\n"), 431, "header_too_large"),
    ] {
        gateway.send_raw(request).await.problem(status, code);
    }
}

#[tokio::test]
async fn requires_exactly_one_host_and_rejects_other_expectations() {
    let gateway = TestApp::start().await;
    for (headers, status) in [
        ("", 400),
        ("host: a\r\nhost: a\r\n", 400),
        ("host: a b\r\n", 400),
        ("host: a\r\nexpect: 200-ok\r\n", 417),
        ("host: a\r\nexpect: 100-continue\r\n", 200),
    ] {
        let request = format!("GET /healthz HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        let response = gateway.send_raw(request).await;
        assert_eq!(response.status, status, "{headers:?}: {response:?}");
        if status >= 400 {
            response.problem(status, response.json()["code"].as_str().unwrap());
        }
    }
    let old = gateway.send_raw("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.status, 200, "HTTP/1.0 has no Host");
}
