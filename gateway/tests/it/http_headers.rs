//! CORS, compression, security headers, HEAD, caching of the OpenAPI document, and Swagger UI.

use bodega_proto::catalog::v1::{Category, ListCategoriesRequest, ListCategoriesResponse};
use http::{HeaderValue, Method};

use crate::test_app::{ALLOWED_ORIGIN, SendRequest as _, TestApp, TestResponse};

/// A gateway with enough categories to compress the list.
async fn gateway() -> TestApp {
    let gateway = TestApp::start().await;
    gateway.catalog.on("ListCategories", |_: ListCategoriesRequest| {
        let category = |id| Category { id, name: "Kitchen".to_owned(), product_count: 0 };
        Ok(ListCategoriesResponse { categories: (1..100).map(category).collect(), ..Default::default() })
    });
    gateway
}

async fn preflight(gateway: &TestApp, origin: &str) -> TestResponse {
    gateway
        .request(Method::OPTIONS, "/api/categories")
        .header("origin", origin)
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,content-type,idempotency-key,x-cart-token")
        .fetch()
        .await
}

#[tokio::test]
async fn allows_pages_of_a_configured_origin() {
    let gateway = gateway().await;
    let response = preflight(&gateway, ALLOWED_ORIGIN).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("access-control-allow-origin"), ALLOWED_ORIGIN);
    assert!(response.header("access-control-allow-methods").contains("PATCH"));
    for header in ["authorization", "content-type", "idempotency-key", "x-cart-token", "if-match"] {
        assert!(response.header("access-control-allow-headers").contains(header), "{header}");
    }
    for path in ["/api/categories", "/nothing", "/api/users/me"] {
        let response = gateway.get(path).header("origin", ALLOWED_ORIGIN).fetch().await;
        assert_eq!(response.header("access-control-allow-origin"), ALLOWED_ORIGIN, "{path}");
        assert!(response.header("access-control-expose-headers").contains("x-request-id"));
        assert!(response.varies_by("origin"), "{response:?}");
    }
}

#[tokio::test]
async fn rejects_pages_of_other_origins() {
    let gateway = gateway().await;
    for origin in ["https://evil.example", "null", "https://gateway.example.evil.example"] {
        assert!(!preflight(&gateway, origin).await.headers.contains_key("access-control-allow-origin"));
        let response = gateway.get("/api/categories").header("origin", origin).fetch().await;
        assert!(!response.headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn a_star_allows_every_origin() {
    let star = HeaderValue::from_static("*");
    let gateway = TestApp::start_with(|settings, _| settings.cors_origins = vec![star]).await;
    let response = preflight(&gateway, "https://anywhere.example").await;
    assert_eq!(response.header("access-control-allow-origin"), "*");
    assert!(!response.headers.contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn compresses_responses_on_request() {
    let gateway = gateway().await;
    let plain = gateway.get("/api/categories").fetch().await;
    assert_eq!(plain.header("content-encoding"), "");
    let response = gateway.get("/api/categories").header("accept-encoding", "gzip").fetch().await;
    assert_eq!(response.header("content-encoding"), "gzip");
    assert!(response.varies_by("accept-encoding"));
    assert!(response.text.len() < plain.text.len() / 2);
    assert!(plain.varies_by("accept-encoding"), "for shared caches");
}

#[tokio::test]
async fn does_not_compress_small_responses() {
    let gateway = gateway().await;
    let response = gateway.get("/nothing").header("accept-encoding", "gzip").fetch().await;
    assert_eq!((response.status, response.header("content-encoding")), (404, ""));
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let gateway = gateway().await;
    for path in ["/api/categories", "/nothing", "/api/users/me", "/healthz", "/docs/", "/openapi.json"] {
        let response = gateway.get(path).fetch().await;
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(response.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(response.header("referrer-policy"), "no-referrer", "{path}");
        assert!(response.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert!(!response.header("cache-control").is_empty(), "{path}");
        assert!(!response.header("x-request-id").is_empty(), "{path}");
    }
    assert_eq!(gateway.get("/api/users/me").fetch().await.header("cache-control"), "no-store");
    assert!(!preflight(&gateway, ALLOWED_ORIGIN).await.header("x-request-id").is_empty());
}

#[tokio::test]
async fn head_responds_like_get_without_a_body() {
    let gateway = gateway().await;
    for path in ["/api/categories", "/nothing", "/api/users/me", "/healthz", "/docs/", "/openapi.json"] {
        for encoding in ["identity", "gzip"] {
            let send = |method| gateway.request(method, path).header("accept-encoding", encoding);
            let get = send(Method::GET).fetch().await;
            let head = send(Method::HEAD).fetch().await;
            assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
            assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        }
    }
}

#[tokio::test]
async fn returns_304_for_a_known_openapi_document() {
    let gateway = TestApp::start().await;
    let response = gateway.get("/openapi.json").fetch().await;
    assert_eq!((response.status, response.header("content-type")), (200, "application/json"));
    assert_eq!(response.json()["openapi"], "3.1.0");
    let tag = response.header("etag");
    for tags in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = gateway.get("/openapi.json").header("if-none-match", &tags).fetch().await;
        assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", tag), "{tags}");
    }
    let other = gateway.get("/openapi.json").header("if-none-match", "\"other\"").fetch().await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn serves_swagger_ui_with_all_files_that_it_loads() {
    let gateway = TestApp::start().await;
    let response = gateway.get("/docs").fetch().await;
    assert_eq!((response.status, response.header("location")), (308, "/docs/"));
    let index = gateway.get("/docs/").fetch().await;
    assert_eq!((index.status, index.header("content-type")), (200, "text/html"));
    assert!(index.header("content-security-policy").contains("script-src 'self'"));
    let loaded: Vec<_> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| index.text.split(attribute).skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(loaded.len() >= 4, "{loaded:?}");
    for file in loaded {
        let file = file.strip_prefix("./").unwrap_or(file);
        assert!(!file.contains("//"), "{file} is on another host");
        assert_eq!(gateway.get(&format!("/docs/{file}")).fetch().await.status, 200, "{file}");
    }
    assert!(!index.text.contains("<script>"), "the policy allows no inline scripts");
    let settings = gateway.get("/docs/swagger-initializer.js").fetch().await.text;
    for setting in ["/openapi.json", r#""persistAuthorization": false"#, r#""tryItOutEnabled": true"#] {
        assert!(settings.contains(setting), "{setting}: {settings}");
    }
}
