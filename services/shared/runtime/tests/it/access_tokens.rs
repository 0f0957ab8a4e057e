//! Verification of access tokens.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_runtime::{auth::Verifier, status};
use serde_json::json;
use tonic::Code;

use crate::harness::{Harness, Identity, claims};

/// Returns the reason for which a token is rejected.
async fn rejection(harness: &Harness, token: &str) -> String {
    let status = harness.call_as(token).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    status::reason(&status)
}

#[tokio::test]
async fn accepts_a_valid_token_repeatedly() {
    let harness = Harness::start().await;
    let token = harness.identity.token(|_| {});
    harness.call_as(&token).await.unwrap();
    harness.call_as(&token).await.unwrap();
}

#[tokio::test]
async fn rejects_an_expired_token() {
    let harness = Harness::start().await;
    let token = harness.identity.token(|claims| claims.exp = claims.iat - 60);
    assert_eq!(rejection(&harness, &token).await, "expired_token");
}

#[tokio::test]
async fn rejects_a_cached_token_after_its_expiry() {
    let identity = Identity::new();
    let verifier = Verifier::new(identity.transport());
    // Within the clock leeway at first, and so cached; expired at its second use.
    let token = identity.token(|claims| claims.exp = claims.iat - 4);
    verifier.verify(&token).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(status::reason(&verifier.verify(&token).await.unwrap_err()), "expired_token");
}

#[tokio::test]
async fn rejects_tokens_of_another_type_and_with_critical_extensions() {
    let harness = Harness::start().await;
    let identity = &harness.identity;
    for typ in [None, Some("id+jwt"), Some("logout+jwt"), Some("")] {
        let mut header = identity.header();
        header.typ = typ.map(str::to_owned);
        let token = identity.sign(&header, &claims());
        assert_eq!(rejection(&harness, &token).await, "invalid_token", "{typ:?}");
    }
    let mut header = identity.header();
    header.crit = Some(vec!["exp".to_owned()]);
    assert_eq!(rejection(&harness, &identity.sign(&header, &claims())).await, "invalid_token");
}

#[tokio::test]
async fn rejects_a_token_that_is_not_valid_yet() {
    let harness = Harness::start().await;
    let token = |not_before: i64| {
        let mut claims = serde_json::to_value(claims()).unwrap();
        claims["nbf"] = json!(claims["iat"].as_i64().unwrap() + not_before);
        harness.identity.sign(&harness.identity.header(), &claims)
    };
    assert_eq!(rejection(&harness, &token(60)).await, "invalid_token");
    harness.call_as(&token(-60)).await.unwrap();
}

#[tokio::test]
async fn accepts_tokens_of_earlier_versions_for_the_lifetime_of_one_token() {
    let harness = Harness::start().await;
    let mut header = harness.identity.header();
    header.typ = Some("JWT".to_owned());
    // They have three seconds and the leeway of five: the last two are rejected because of their type.
    let earlier = |issued: i64| {
        let mut claims = claims();
        claims.iat += issued;
        claims.exp = claims.iat + 3;
        harness.identity.sign(&header, &claims)
    };
    harness.call_as(&earlier(-4)).await.unwrap();
    harness.call_as(&harness.identity.token(|_| {})).await.unwrap();
    let token = earlier(0);
    harness.call_as(&token).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    for token in [token, earlier(0)] {
        assert_eq!(rejection(&harness, &token).await, "invalid_token");
    }
}

#[tokio::test]
async fn rejects_invalid_tokens() {
    let harness = Harness::start().await;
    let other_identity = Identity::new();
    let tampered = {
        let token = harness.identity.token(|_| {});
        let parts: Vec<_> = token.split('.').collect();
        let mut claims = serde_json::to_value(claims()).unwrap();
        claims["role"] = json!("admin");
        format!("{}.{}.{}", parts[0], BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2])
    };
    let unsigned = {
        let header = json!({"alg": "none", "typ": "JWT", "kid": harness.identity.kid()}).to_string();
        let claims = serde_json::to_string(&claims()).unwrap();
        format!("{}.{}.", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(claims))
    };
    for (case, token) in [
        ("another issuer", harness.identity.token(|claims| claims.iss = "other".to_owned())),
        ("another audience", harness.identity.token(|claims| claims.aud = "other".to_owned())),
        ("an unknown key", other_identity.token(|_| {})),
        (
            "a known key id and the signature of another key",
            other_identity.token_with_kid(harness.identity.kid(), |_| {}),
        ),
        ("changed claims", tampered),
        ("unsigned", unsigned),
        ("garbage", "garbage".to_owned()),
        ("too long", "x".repeat(5000)),
    ] {
        assert_eq!(rejection(&harness, &token).await, "invalid_token", "{case}");
    }
}
