//! Which access tokens are good.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_runtime::{auth::Verifier, status};
use serde_json::json;
use tonic::Code;

use crate::world::{Identity, World, claims};

/// The reason a token is refused for.
async fn refusal(world: &World, token: &str) -> String {
    let refusal = world.call_as(token).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unauthenticated, "{refusal:?}");
    status::reason(&refusal)
}

#[tokio::test]
async fn a_good_token_is_good_twice() {
    let world = World::start().await;
    let token = world.identity.token(|_| {});
    world.call_as(&token).await.unwrap();
    world.call_as(&token).await.unwrap();
}

#[tokio::test]
async fn an_expired_token_is_refused_as_that() {
    let world = World::start().await;
    let token = world.identity.token(|claims| claims.exp = claims.iat - 60);
    assert_eq!(refusal(&world, &token).await, "expired_token");
}

#[tokio::test]
async fn a_remembered_token_still_expires() {
    let identity = Identity::new();
    let verifier = Verifier::new(identity.transport());
    // Within the leeway for clocks when it is first seen, and so remembered; past its time when it is seen again.
    let token = identity.token(|claims| claims.exp = claims.iat - 4);
    verifier.verify(&token).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(status::reason(&verifier.verify(&token).await.unwrap_err()), "expired_token");
}

#[tokio::test]
async fn tokens_of_others_are_refused() {
    let world = World::start().await;
    let stranger = Identity::new();
    let tampered = {
        let token = world.identity.token(|_| {});
        let parts: Vec<_> = token.split('.').collect();
        let mut claims = serde_json::to_value(claims()).unwrap();
        claims["role"] = json!("admin");
        format!("{}.{}.{}", parts[0], BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2])
    };
    let unsigned = {
        let header = json!({"alg": "none", "typ": "JWT", "kid": world.identity.kid()}).to_string();
        let claims = serde_json::to_string(&claims()).unwrap();
        format!("{}.{}.", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(claims))
    };
    for (what, token) in [
        ("another issuer", world.identity.token(|claims| claims.iss = "somebody".to_owned())),
        ("another audience", world.identity.token(|claims| claims.aud = "elsewhere".to_owned())),
        ("an unknown key", stranger.token(|_| {})),
        ("a known key's name, another's signature", stranger.token_under(world.identity.kid(), |_| {})),
        ("tampered with", tampered),
        ("unsigned", unsigned),
        ("garbage", "garbage".to_owned()),
        ("too long", "x".repeat(5000)),
    ] {
        assert_eq!(refusal(&world, &token).await, "invalid_token", "{what}");
    }
}
