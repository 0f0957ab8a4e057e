//! Which access tokens are good here.

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
    identity::{Identity, claims},
    shop::{Answer, Answered as _, Shop},
};

/// A shop whose users have profiles.
async fn shop() -> Shop {
    let shop = Shop::open().await;
    shop.identity.accounts.on("GetProfile", |_: GetProfileRequest| {
        Ok(GetProfileResponse { user: Some(User { name: "Ada".to_owned(), ..User::default() }) })
    });
    shop
}

async fn profile(shop: &Shop, token: &str) -> Answer {
    shop.get("/api/users/me").bearer_auth(token).answer().await
}

#[tokio::test]
async fn a_good_token_lets_in() {
    let shop = shop().await;
    let token = shop.identity.user();
    assert_eq!(profile(&shop, &token).await.status, 200);
    let request = shop.get("/api/users/me").header("authorization", format!("bearer {token}"));
    assert_eq!(request.answer().await.status, 200, "the scheme has no case");
    let sent = shop.identity.accounts.metadata("GetProfile");
    assert_eq!(
        sent["authorization"],
        format!("Bearer {token}"),
        "the token goes with the call, as services read it"
    );
}

#[tokio::test]
async fn no_token_is_told_to_bring_one() {
    let shop = shop().await;
    let answer = shop.get("/api/users/me").answer().await;
    answer.problem(401, "unauthenticated");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn a_token_that_is_not_ours_is_refused() {
    let shop = shop().await;
    let identity = &shop.identity;
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
    let stranger = Identity::new();
    for (what, token) in [
        ("garbage", "garbage".to_owned()),
        ("empty", String::new()),
        ("not ASCII", "\u{e9}".to_owned()),
        ("unsigned", unsigned),
        ("signed with the public key as a secret", confused),
        ("tampered with", promoted),
        ("of another key", stranger.user()),
        ("of another key under our key's name", stranger.token_under(identity.kid(), |_| {})),
        ("for another audience", identity.token(|claims| claims.aud = "elsewhere".to_owned())),
    ] {
        let answer = profile(&shop, &token).await;
        answer.problem(401, "invalid_token");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_token""#, "{what}");
    }
    let basic = shop.get("/api/users/me").header("authorization", "Basic YTpi").answer().await;
    basic.problem(401, "invalid_token");
}

#[tokio::test]
async fn an_expired_token_is_refused_as_that() {
    let shop = shop().await;
    let token = shop.identity.token(|claims| claims.exp = claims.iat - 60);
    profile(&shop, &token).await.problem(401, "expired_token");
}

#[tokio::test]
async fn what_anyone_may_see_is_shown_whatever_the_token() {
    let shop = shop().await;
    shop.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    for token in ["garbage".to_owned(), shop.identity.token(|claims| claims.exp = claims.iat - 60)] {
        assert_eq!(shop.get("/api/categories").bearer_auth(token).answer().await.status, 200);
        let sent = shop.catalog.metadata("ListCategories");
        assert!(!sent.contains_key("authorization"), "a bad token goes no further");
    }
}

#[tokio::test]
async fn only_admins_see_what_is_theirs() {
    let shop = shop().await;
    shop.get("/api/users").answer().await.problem(401, "unauthenticated");
    shop.get("/api/users").bearer_auth(shop.identity.user()).answer().await.problem(403, "admin_only");
}

#[tokio::test]
async fn a_session_that_ends_elsewhere_is_refused_within_a_second() {
    let shop = shop().await;
    let session = Uuid::now_v7();
    let token = shop.identity.token(|claims| claims.sid = session);
    assert_eq!(profile(&shop, &token).await.status, 200);

    shop.identity.end_session(session);
    let refused = async {
        while profile(&shop, &token).await.status == 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), refused).await.expect("it still gets in");
    profile(&shop, &token).await.problem(401, "session_ended");
    assert_eq!(profile(&shop, &shop.identity.user()).await.status, 200, "others stay");
}

#[tokio::test]
async fn a_session_that_ends_here_is_refused_at_once() {
    let shop = shop().await;
    let session = Uuid::now_v7();
    let token = shop.identity.token(|claims| claims.sid = session);
    shop.identity.accounts.on("Logout", move |_: LogoutRequest| {
        Ok(LogoutResponse { ended_session_ids: vec![session.to_string()] })
    });
    let logout = shop.request(http::Method::POST, "/api/auth/logout").bearer_auth(&token).answer().await;
    assert_eq!((logout.status, logout.text.as_str()), (204, ""));
    profile(&shop, &token).await.problem(401, "session_ended");
}
