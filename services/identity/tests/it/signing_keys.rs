//! Signing keys, and forged tokens.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_embedded_postgres::testing::TempDir;
use bodega_identity::{Settings, rotate_signing_key, start};
use bodega_media::Media;
use bodega_proto::identity::v1::{GetJwksRequest, Jwk};
use bodega_runtime::{auth::Verifier, database, status, transport::Transport};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    image_fixtures::png,
    test_app::{SECRET, TestApp, id_of, migrated, settings, user},
};

async fn keys(app: &TestApp) -> Vec<Jwk> {
    app.tokens().get_jwks(GetJwksRequest {}).await.unwrap().into_inner().keys
}

fn parts(token: &str) -> (Value, Value, String) {
    let mut parts = token.split('.');
    let mut json =
        || serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap()).unwrap();
    (json(), json(), parts.next().unwrap().to_owned())
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

#[tokio::test]
async fn access_tokens_contain_the_key_id_and_claims() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let keys = keys(&app).await;
    assert_eq!(keys.len(), 1);
    let (header, claims, _) = parts(&session.access_token);
    assert_eq!(header, json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": keys[0].kid }));
    assert_eq!(claims["sub"], id_of(user(&session)).to_string());
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["role"]),
        (&json!("bodega"), &json!("bodega"), &json!("user"))
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert_ne!(parts(&app.login("ada").await.unwrap().access_token).1["jti"], claims["jti"]);
}

#[tokio::test]
async fn rejects_forged_tokens() {
    let app = TestApp::start().await;
    let genuine = app.register("ada").await.access_token;
    let (header, claims, signature) = parts(&genuine);
    let with = |value: &Value, name: &str, to: Value| {
        let mut value = value.clone();
        value[name] = to;
        value
    };
    let admin = unsigned(&header, &with(&claims, "role", json!("admin")));
    let none = unsigned(&with(&header, "alg", json!("none")), &claims);
    let x = BASE64_URL_SAFE_NO_PAD.decode(&keys(&app).await[0].x).unwrap();
    let mut hmac = Header::new(Algorithm::HS256);
    hmac.kid = header["kid"].as_str().map(str::to_owned);
    // The public key must not be accepted as an HMAC secret.
    let confused = jsonwebtoken::encode(&hmac, &claims, &EncodingKey::from_secret(&x)).unwrap();
    let foreign = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    let foreign = EncodingKey::from_ed_der(foreign.to_pkcs8v1().unwrap().as_ref());
    let mut eddsa = Header::new(Algorithm::EdDSA);
    eddsa.kid = hmac.kid.clone();
    let forged = jsonwebtoken::encode(&eddsa, &claims, &foreign).unwrap();
    eddsa.kid = Some("another".into());
    let unknown_key = jsonwebtoken::encode(&eddsa, &claims, &foreign).unwrap();

    for token in [
        format!("{admin}.{signature}"),
        format!("{none}."),
        format!("{none}.{signature}"),
        confused,
        forged,
        unknown_key,
        genuine[..genuine.len() - 2].to_owned(),
        String::new(),
        "x".repeat(1 << 16),
    ] {
        let rejected = app.verifier.verify(&token).await.unwrap_err();
        assert_eq!(status::reason(&rejected), "invalid_token", "{token}");
    }
    app.verifier.verify(&genuine).await.unwrap();
}

#[tokio::test]
async fn rejects_an_expired_token() {
    let mut settings = settings();
    settings.access_ttl = Duration::ZERO;
    let app = TestApp::start_with(settings).await;
    let session = app.register("ada").await;
    // Clocks may differ by five seconds.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let rejected = app.verifier.verify(&session.access_token).await.unwrap_err();
    assert_eq!(status::reason(&rejected), "expired_token");
}

#[tokio::test]
async fn replicas_that_start_at_once_share_one_key() {
    let database = std::sync::Arc::new(migrated().await);
    let media_dir = std::sync::Arc::new(TempDir::new("media").unwrap());
    let starts = (0..4).map(|_| TestApp::start_on(database.clone(), media_dir.clone(), settings()));
    let replicas = futures_util::future::join_all(starts).await;
    let first = keys(&replicas[0]).await;
    assert_eq!(first.len(), 1);
    let session = replicas[0].register("ada").await;
    for replica in &replicas {
        assert_eq!(keys(replica).await, first);
        replica.verifier.verify(&session.access_token).await.unwrap();
        replica.profile(&session).await.unwrap();
    }
}

#[tokio::test]
async fn fails_to_start_with_another_secret() {
    let app = TestApp::start().await;
    let mut settings = settings();
    settings.jwt_secret = "some other secret of well over 32 bytes".parse().unwrap();
    let media = Media::local(app.media_dir.path());
    let other = start(app.db.clone(), settings, media, CancellationToken::new()).await;
    let line = format!("{:#}", other.err().expect("it does not start"));
    assert!(line.contains("JWT_SECRET_KEY") && !line.contains('\n') && !line.contains(SECRET), "{line}");
    assert_eq!(keys(&app).await.len(), 1);
}

#[tokio::test]
async fn private_keys_are_encrypted_in_the_database() {
    let app = TestApp::start().await;
    let encrypted: Vec<u8> = sqlx::query_scalar("select encrypted_private_key from identity.signing_keys")
        .fetch_one(&app.db)
        .await
        .unwrap();
    // A PKCS #8 document contains the OID of Ed25519.
    assert!(!encrypted.windows(5).any(|window| window == [0x06, 0x03, 0x2b, 0x65, 0x70]));
}

#[tokio::test]
async fn rotates_an_old_key_and_its_tokens_stay_valid() {
    let app = TestApp::start().await;
    let old = keys(&app).await.remove(0).kid;
    let before = app.register("ada").await;
    sqlx::query("update identity.signing_keys set created_at = now() - interval '91 days'")
        .execute(&app.db)
        .await
        .unwrap();

    let replica = app.replica().await;
    let mut kids: Vec<String> = Vec::new();
    for _ in 0..50 {
        kids = keys(&app).await.into_iter().map(|key| key.kid).collect();
        if kids.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((kids.len(), kids[1].as_str()), (2, old.as_str()), "the current key comes first");
    let after = replica.login("ada").await.unwrap();
    assert_eq!(parts(&after.access_token).0["kid"], kids[0]);
    // One verifier knows the old key only, the other one the new key only.
    app.verifier.verify(&after.access_token).await.unwrap();
    replica.verifier.verify(&before.access_token).await.unwrap();

    sqlx::query("update identity.signing_keys set retired_at = now() - interval '1 day' where kid = $1")
        .bind(&old)
        .execute(&app.db)
        .await
        .unwrap();
    assert_eq!(keys(&app).await.len(), 1, "its tokens have expired");
    let new_verifier = Verifier::new(Transport::unauthenticated(app.service.routes()));
    new_verifier.verify(&before.access_token).await.unwrap_err();
}

#[tokio::test]
async fn a_rotation_by_hand_keeps_sessions_and_tokens_valid() {
    let app = TestApp::start().await;
    let before = app.register("ada").await;
    let rotated = rotate_signing_key(&app.db, &settings()).await.unwrap();
    assert!(!rotated.is_under_secondary_secret);
    let kids: Vec<_> = keys(&app).await.into_iter().map(|key| key.kid).collect();
    assert_eq!((kids.len(), &kids[0]), (2, &rotated.kid), "the new key comes first");
    app.profile(&before).await.unwrap();
    app.refresh(&before.refresh_token).await.unwrap();
    let replica = app.replica().await;
    let after = replica.login("ada").await.unwrap();
    assert_eq!(parts(&after.access_token).0["kid"], rotated.kid);
    app.profile(&after).await.unwrap();
}

/// The steps of a rolling change of `JWT_SECRET_KEY`, with a rotation of the key in the middle.
#[tokio::test]
async fn the_secret_is_replaced_while_replicas_run() {
    const NEW: &str = "another secret of well over 32 bytes, for the tests";
    let with = |primary: &str, secondary: Option<&str>| {
        let secondary_jwt_secret = secondary.map(|secret| secret.parse().unwrap());
        Settings { jwt_secret: primary.parse().unwrap(), secondary_jwt_secret, ..settings() }
    };
    let first = TestApp::start().await;
    let session = first.register("ada").await;
    let accepts_both = first.replica_with(with(SECRET, Some(NEW))).await;
    rotate_signing_key(&first.db, &with(NEW, Some(SECRET))).await.unwrap();
    let replicas = [first.replica_with(with(SECRET, None)).await, accepts_both];

    let new = first.replica_with(with(NEW, Some(SECRET))).await;
    let started =
        start(first.db.clone(), settings(), Media::local(first.media_dir.path()), CancellationToken::new());
    assert!(started.await.is_err(), "the key is encrypted under the new secret only");
    let last = first.replica_with(with(NEW, None)).await;
    for issuer in replicas.iter().chain([&first, &new, &last]) {
        let token = issuer.login("ada").await.unwrap();
        for verifier in [&first, &new, &last] {
            verifier.profile(&token).await.unwrap();
        }
    }
    last.refresh(&session.refresh_token).await.unwrap();
}

#[tokio::test]
async fn runs_with_a_role_that_can_only_read_and_write_rows() {
    let app = TestApp::start().await;
    for statement in [
        "create role row_access login",
        "grant usage on schema identity to row_access",
        "grant select, insert, update, delete on all tables in schema identity to row_access",
    ] {
        sqlx::query(statement).execute(&app.db).await.unwrap();
    }
    let url = app.database.url_as("row_access");
    let db = database::pool(url.parse().unwrap(), 5, "identity");
    let app = TestApp::start_with_pool(app.database.clone(), app.media_dir.clone(), db, settings()).await;
    let session = app.register("ada").await;
    let session = app.refresh(&session.refresh_token).await.unwrap();
    app.change_password(&session, "another horse battery").await.unwrap();
    app.set_avatar(&session, &png(8, 1)).await.unwrap();
    let admin = app.admin("root").await;
    let mut client = app.bearer(&admin.access_token).await;
    let request = bodega_proto::identity::v1::DeleteUserRequest { id: user(&session).id.clone() };
    client.delete_user(request).await.unwrap();
    app.wait_for_cleanup().await;
}
