//! The documentation: line 13; and what operators and verifiers of tokens ask.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::{
    responses::assert_fields,
    routes::{Who, routes},
    store::Shop,
};

/// Line 13: Swagger UI.
#[tokio::test]
async fn the_api_can_be_read_and_tried_at_docs() {
    let shop = Shop::start().await;
    let page = shop.guest().get("/docs").await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    assert!(page.text.contains("swagger-ui"), "{page:?}");
    let settings = shop.guest().get("/docs/swagger-initializer.js").await.expect(200);
    assert!(settings.text.contains("/openapi.json"), "{settings:?}");
    assert!(shop.guest().get("/docs/swagger-ui-bundle.js").await.expect(200).text.len() > 100_000);
}

/// Line 13: every endpoint; and none that the contract does not know.
#[tokio::test]
async fn the_document_describes_every_route_and_who_may() {
    let shop = Shop::start().await;
    let answer = shop.guest().get("/openapi.json").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json["openapi"], "3.1.0");
    let paths = answer.json["paths"].as_object().unwrap();
    let documented: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let wanted: BTreeSet<_> =
        routes().map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(documented, wanted);

    for (method, path, who) in routes() {
        let operation = &paths[path][method.to_lowercase()];
        let security = match who {
            Who::Anyone => json!(null),
            Who::Shopper => json!([{}, {"bearer": []}]),
            Who::User | Who::Buyer | Who::Admin => json!([{"bearer": []}]),
        };
        assert_eq!(operation["security"], security, "{method} {path}");
        assert_eq!(operation["responses"].get("403").is_some(), who == Who::Admin, "{method} {path}");
    }
}

#[tokio::test]
async fn it_says_that_it_lives_and_is_ready() {
    let shop = Shop::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(shop.guest().get(path).await.expect(200).json, json!({"status": "ok"}), "{path}");
    }
}

/// Contract, `GET /.well-known/jwks.json`.
#[tokio::test]
async fn the_keys_that_sign_access_tokens_are_public_and_only_their_public_halves() {
    let shop = Shop::start().await;
    let keys = shop.guest().get("/.well-known/jwks.json").await.expect(200).json;
    assert_fields(&keys, "keys");
    let [key] = &keys["keys"].as_array().unwrap()[..] else { panic!("{keys}") };
    assert_fields(key, "kty crv alg use kid x");
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"), &json!("sig"))
    );
}
