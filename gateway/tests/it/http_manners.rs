//! How the gateway speaks HTTP: to browsers, to caches, to whoever only wants the head.

use bodega_proto::catalog::v1::{Category, ListCategoriesRequest, ListCategoriesResponse};
use http::{HeaderValue, Method};

use crate::shop::{Answer, Answered as _, FRIEND, Shop};

/// A shop with enough categories to be worth compressing.
async fn shop() -> Shop {
    let shop = Shop::open().await;
    shop.catalog.on("ListCategories", |_: ListCategoriesRequest| {
        let category = |id| Category { id, name: "Kitchen".to_owned(), product_count: 0 };
        Ok(ListCategoriesResponse { categories: (1..100).map(category).collect(), ..Default::default() })
    });
    shop
}

async fn preflight(shop: &Shop, origin: &str) -> Answer {
    shop.request(Method::OPTIONS, "/api/categories")
        .header("origin", origin)
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,content-type,idempotency-key,x-cart-token")
        .answer()
        .await
}

#[tokio::test]
async fn pages_of_a_friendly_origin_may_call() {
    let shop = shop().await;
    let answer = preflight(&shop, FRIEND).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), FRIEND);
    assert!(answer.header("access-control-allow-methods").contains("PATCH"));
    for header in ["authorization", "content-type", "idempotency-key", "x-cart-token", "if-match"] {
        assert!(answer.header("access-control-allow-headers").contains(header), "{header}");
    }
    for path in ["/api/categories", "/nothing", "/api/users/me"] {
        let answer = shop.get(path).header("origin", FRIEND).answer().await;
        assert_eq!(answer.header("access-control-allow-origin"), FRIEND, "{path}");
        assert!(answer.header("access-control-expose-headers").contains("x-request-id"));
        assert!(answer.varies_by("origin"), "{answer:?}");
    }
}

#[tokio::test]
async fn pages_of_another_origin_may_not() {
    let shop = shop().await;
    for origin in ["https://evil.example", "null", "https://shop.example.evil.example"] {
        assert!(!preflight(&shop, origin).await.headers.contains_key("access-control-allow-origin"));
        let answer = shop.get("/api/categories").header("origin", origin).answer().await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn a_star_lets_every_origin_in() {
    let star = HeaderValue::from_static("*");
    let shop = Shop::open_with(|settings, _| settings.cors_origins = vec![star]).await;
    let answer = preflight(&shop, "https://anywhere.example").await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn an_answer_is_compressed_for_those_who_ask() {
    let shop = shop().await;
    let plain = shop.get("/api/categories").answer().await;
    assert_eq!(plain.header("content-encoding"), "");
    let answer = shop.get("/api/categories").header("accept-encoding", "gzip").answer().await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert!(answer.varies_by("accept-encoding"));
    assert!(answer.text.len() < plain.text.len() / 2);
}

#[tokio::test]
async fn every_answer_has_the_headers_that_hold_browsers_back() {
    let shop = shop().await;
    for path in ["/api/categories", "/nothing", "/api/users/me", "/healthz", "/docs/", "/openapi.json"] {
        let answer = shop.get(path).answer().await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
    }
    assert_eq!(shop.get("/api/users/me").answer().await.header("cache-control"), "no-store");
    assert!(!preflight(&shop, FRIEND).await.header("x-request-id").is_empty());
}

#[tokio::test]
async fn whatever_can_be_got_has_a_head() {
    let shop = shop().await;
    for path in ["/api/categories", "/nothing", "/api/users/me", "/healthz", "/docs/", "/openapi.json"] {
        for encoding in ["identity", "gzip"] {
            let ask = |method| shop.request(method, path).header("accept-encoding", encoding);
            let get = ask(Method::GET).answer().await;
            let head = ask(Method::HEAD).answer().await;
            assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
            assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        }
    }
}

#[tokio::test]
async fn the_document_is_cached_until_it_changes() {
    let shop = Shop::open().await;
    let answer = shop.get("/openapi.json").answer().await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.json()["openapi"], "3.1.0");
    let tag = answer.header("etag");
    for tags in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = shop.get("/openapi.json").header("if-none-match", &tags).answer().await;
        assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", tag), "{tags}");
    }
    let other = shop.get("/openapi.json").header("if-none-match", "\"other\"").answer().await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn swagger_ui_is_there_with_all_that_it_loads() {
    let shop = Shop::open().await;
    let answer = shop.get("/docs").answer().await;
    assert_eq!((answer.status, answer.header("location")), (308, "/docs/"));
    let index = shop.get("/docs/").answer().await;
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
        assert!(!file.contains("//"), "{file} is not ours");
        assert_eq!(shop.get(&format!("/docs/{file}")).answer().await.status, 200, "{file}");
    }
    assert!(!index.text.contains("<script>"), "the policy allows no inline scripts");
    let settings = shop.get("/docs/swagger-initializer.js").answer().await.text;
    for setting in ["/openapi.json", r#""persistAuthorization": true"#, r#""tryItOutEnabled": true"#] {
        assert!(settings.contains(setting), "{setting}: {settings}");
    }
}
