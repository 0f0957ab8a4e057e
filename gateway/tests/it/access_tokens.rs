//! Verification of access tokens.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_proto::{
    catalog::v1::{ListCategoriesRequest, ListCategoriesResponse},
    identity::v1::{GetProfileRequest, GetProfileResponse, LogoutRequest, LogoutResponse, User},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use uuid::Uuid;

use crate::{
    fake_identity::{Identity, claims},
    test_app::{SendRequest as _, TestApp, TestResponse},
};

/// A gateway whose identity returns profiles.
async fn gateway() -> TestApp {
    let gateway = TestApp::start().await;
    gateway.identity.service.on("GetProfile", |_: GetProfileRequest| {
        Ok(GetProfileResponse { user: Some(User { name: "Ada".to_owned(), ..User::default() }) })
    });
    gateway
}

async fn profile(gateway: &TestApp, token: &str) -> TestResponse {
    gateway.get("/api/users/me").bearer_auth(token).fetch().await
}

#[tokio::test]
async fn accepts_a_valid_token() {
    let gateway = gateway().await;
    let token = gateway.identity.user();
    assert_eq!(profile(&gateway, &token).await.status, 200);
    let request = gateway.get("/api/users/me").header("authorization", format!("bearer {token}"));
    assert_eq!(request.fetch().await.status, 200, "the scheme is case-insensitive");
    let sent = gateway.identity.service.metadata("GetProfile");
    assert_eq!(sent["authorization"], format!("Bearer {token}"), "the token is forwarded to services");
}

#[tokio::test]
async fn rejects_a_missing_token() {
    let gateway = gateway().await;
    let response = gateway.get("/api/users/me").fetch().await;
    response.problem(401, "unauthenticated");
    assert_eq!(response.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn rejects_invalid_tokens() {
    let gateway = gateway().await;
    let identity = &gateway.identity;
    let encode = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = {
        let header = json!({"alg": "none", "typ": "JWT", "kid": identity.kid()});
        format!("{}.{}.", encode(header), encode(json!(claims())))
    };
    let confused = {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(identity.kid().to_owned());
        let secret = EncodingKey::from_secret(identity.public_key().as_bytes());
        jsonwebtoken::encode(&header, &claims(), &secret).unwrap()
    };
    let promoted = {
        let token = identity.user();
        let parts: Vec<_> = token.split('.').collect();
        let mut claims = json!(claims());
        claims["role"] = json!("admin");
        format!("{}.{}.{}", parts[0], encode(claims), parts[2])
    };
    let other_issuer = Identity::new();
    for (case, token) in [
        ("garbage", "garbage".to_owned()),
        ("empty", String::new()),
        ("not ASCII", "\u{e9}".to_owned()),
        ("unsigned", unsigned),
        ("signed with the public key as a secret", confused),
        ("tampered with", promoted),
        ("of another key", other_issuer.user()),
        ("of another key with the id of ours", other_issuer.token_with_kid(identity.kid(), |_| {})),
        ("for another audience", identity.token(|claims| claims.aud = "elsewhere".to_owned())),
    ] {
        let response = profile(&gateway, &token).await;
        response.problem(401, "invalid_token");
        assert_eq!(response.header("www-authenticate"), r#"Bearer error="invalid_token""#, "{case}");
    }
    let basic = gateway.get("/api/users/me").header("authorization", "Basic YTpi").fetch().await;
    basic.problem(401, "invalid_token");
}

#[tokio::test]
async fn rejects_an_expired_token() {
    let gateway = gateway().await;
    let token = gateway.identity.token(|claims| claims.exp = claims.iat - 60);
    profile(&gateway, &token).await.problem(401, "expired_token");
}

#[tokio::test]
async fn ignores_invalid_tokens_on_public_routes() {
    let gateway = gateway().await;
    gateway.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    for token in ["garbage".to_owned(), gateway.identity.token(|claims| claims.exp = claims.iat - 60)] {
        assert_eq!(gateway.get("/api/categories").bearer_auth(token).fetch().await.status, 200);
        let sent = gateway.catalog.metadata("ListCategories");
        assert!(!sent.contains_key("authorization"), "an invalid token is not forwarded");
    }
}

#[tokio::test]
async fn rejects_users_on_admin_routes() {
    let gateway = gateway().await;
    gateway.get("/api/users").fetch().await.problem(401, "unauthenticated");
    gateway.get("/api/users").bearer_auth(gateway.identity.user()).fetch().await.problem(403, "admin_only");
}

#[tokio::test]
async fn rejects_a_session_that_ended_elsewhere_within_a_second() {
    let gateway = gateway().await;
    let session = Uuid::now_v7();
    let token = gateway.identity.token(|claims| claims.sid = session);
    assert_eq!(profile(&gateway, &token).await.status, 200);

    gateway.identity.end_session(session);
    let rejected = async {
        while profile(&gateway, &token).await.status == 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), rejected).await.expect("the token is still accepted");
    profile(&gateway, &token).await.problem(401, "session_ended");
    assert_eq!(profile(&gateway, &gateway.identity.user()).await.status, 200, "other sessions remain");
}

#[tokio::test]
async fn rejects_a_session_that_ended_here_at_once() {
    let gateway = gateway().await;
    let session = Uuid::now_v7();
    let token = gateway.identity.token(|claims| claims.sid = session);
    gateway.identity.service.on("Logout", move |_: LogoutRequest| {
        Ok(LogoutResponse { ended_session_ids: vec![session.to_string()] })
    });
    let logout = gateway.request(http::Method::POST, "/api/auth/logout").bearer_auth(&token).fetch().await;
    assert_eq!((logout.status, logout.text.as_str()), (204, ""));
    profile(&gateway, &token).await.problem(401, "session_ended");
}

#[tokio::test]
async fn many_requests_for_the_public_keys_ask_identity_once() {
    let gateway = TestApp::start().await;
    for _ in 0..50 {
        let keys = gateway.get("/.well-known/jwks.json").fetch().await.json();
        assert_eq!(keys["keys"][0]["kid"], gateway.identity.kid());
    }
    let calls = gateway.identity.key_calls.load(std::sync::atomic::Ordering::Relaxed);
    assert!(calls <= 2, "{calls}: again only when the keys are old");
}
