//! The keys that sign access tokens, and the tokens that are none.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_embedded_postgres::testing::TempDir;
use bodega_identity::start;
use bodega_media::Media;
use bodega_proto::identity::v1::{GetJwksRequest, Jwk};
use bodega_runtime::{auth::Verifier, database, status, transport::Transport};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    pictures::png,
    shop::{SECRET, Shop, id_of, migrated, settings, user},
};

async fn keys(shop: &Shop) -> Vec<Jwk> {
    shop.tokens().get_jwks(GetJwksRequest {}).await.unwrap().into_inner().keys
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
async fn a_token_names_its_key_and_says_what_was_agreed() {
    let shop = Shop::open().await;
    let session = shop.register("ada").await;
    let keys = keys(&shop).await;
    assert_eq!(keys.len(), 1);
    let (header, claims, _) = parts(&session.access_token);
    assert_eq!(header, json!({ "typ": "JWT", "alg": "EdDSA", "kid": keys[0].kid }));
    assert_eq!(claims["sub"], id_of(user(&session)).to_string());
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["role"]),
        (&json!("bodega"), &json!("bodega"), &json!("user"))
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert_ne!(parts(&shop.login("ada").await.unwrap().access_token).1["jti"], claims["jti"]);
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let shop = Shop::open().await;
    let genuine = shop.register("ada").await.access_token;
    let (header, claims, signature) = parts(&genuine);
    let with = |value: &Value, name: &str, to: Value| {
        let mut value = value.clone();
        value[name] = to;
        value
    };
    let admin = unsigned(&header, &with(&claims, "role", json!("admin")));
    let none = unsigned(&with(&header, "alg", json!("none")), &claims);
    let x = BASE64_URL_SAFE_NO_PAD.decode(&keys(&shop).await[0].x).unwrap();
    let mut hmac = Header::new(Algorithm::HS256);
    hmac.kid = header["kid"].as_str().map(str::to_owned);
    // The public key is public: it must not pass for a shared secret.
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
        let refused = shop.verifier.verify(&token).await.unwrap_err();
        assert_eq!(status::reason(&refused), "invalid_token", "{token}");
    }
    shop.verifier.verify(&genuine).await.unwrap();
}

#[tokio::test]
async fn a_token_expires() {
    let mut settings = settings();
    settings.access_ttl = Duration::ZERO;
    let shop = Shop::open_with(settings).await;
    let session = shop.register("ada").await;
    // Clocks may differ by five seconds.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let refused = shop.verifier.verify(&session.access_token).await.unwrap_err();
    assert_eq!(status::reason(&refused), "expired_token");
}

#[tokio::test]
async fn replicas_that_start_at_once_share_one_key() {
    let database = std::sync::Arc::new(migrated().await);
    let pictures = std::sync::Arc::new(TempDir::new("pictures").unwrap());
    let starts = (0..4).map(|_| Shop::on(database.clone(), pictures.clone(), settings()));
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
async fn another_secret_stops_the_start_and_says_so() {
    let shop = Shop::open().await;
    let mut settings = settings();
    settings.jwt_secret = "some other secret of well over 32 bytes".parse().unwrap();
    let media = Media::local(shop.pictures.path());
    let other = start(shop.db.clone(), settings, media, CancellationToken::new()).await;
    let line = format!("{:#}", other.err().expect("it does not start"));
    assert!(line.contains("JWT_SECRET_KEY") && !line.contains('\n') && !line.contains(SECRET), "{line}");
    assert_eq!(keys(&shop).await.len(), 1);
}

#[tokio::test]
async fn whoever_reads_the_database_cannot_sign() {
    let shop = Shop::open().await;
    let sealed: Vec<u8> = sqlx::query_scalar("select encrypted_private_key from identity.signing_keys")
        .fetch_one(&shop.db)
        .await
        .unwrap();
    // Any start of a PKCS #8 document: the OID of Ed25519 must not be readable.
    assert!(!sealed.windows(5).any(|window| window == [0x06, 0x03, 0x2b, 0x65, 0x70]));
}

#[tokio::test]
async fn an_old_key_is_replaced_and_its_tokens_stay_good() {
    let shop = Shop::open().await;
    let old = keys(&shop).await.remove(0).kid;
    let before = shop.register("ada").await;
    sqlx::query("update identity.signing_keys set created_at = now() - interval '91 days'")
        .execute(&shop.db)
        .await
        .unwrap();

    let replica = shop.replica().await;
    let mut kids: Vec<String> = Vec::new();
    for _ in 0..50 {
        kids = keys(&shop).await.into_iter().map(|key| key.kid).collect();
        if kids.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((kids.len(), kids[1].as_str()), (2, old.as_str()), "the one that signs comes first");
    let after = replica.login("ada").await.unwrap();
    assert_eq!(parts(&after.access_token).0["kid"], kids[0]);
    // A gateway that knew the old key only, and one that knew neither.
    shop.verifier.verify(&after.access_token).await.unwrap();
    replica.verifier.verify(&before.access_token).await.unwrap();

    sqlx::query("update identity.signing_keys set retired_at = now() - interval '1 day' where kid = $1")
        .bind(&old)
        .execute(&shop.db)
        .await
        .unwrap();
    assert_eq!(keys(&shop).await.len(), 1, "no token of it can be alive");
    let newcomer = Verifier::new(Transport::unauthenticated(shop.service.routes()));
    newcomer.verify(&before.access_token).await.unwrap_err();
}

#[tokio::test]
async fn reading_and_writing_rows_is_all_the_service_needs_to_be_allowed() {
    let shop = Shop::open().await;
    for statement in [
        "create role clerk login",
        "grant usage on schema identity to clerk",
        "grant select, insert, update, delete on all tables in schema identity to clerk",
    ] {
        sqlx::query(statement).execute(&shop.db).await.unwrap();
    }
    let url = shop.database.url_as("clerk");
    let db = database::pool(url.parse().unwrap(), 5, "identity");
    let shop = Shop::over(shop.database.clone(), shop.pictures.clone(), db, settings()).await;
    let session = shop.register("ada").await;
    let session = shop.refresh(&session.refresh_token).await.unwrap();
    shop.change_password(&session, "another horse battery").await.unwrap();
    shop.set_avatar(&session, &png(8, 1)).await.unwrap();
    let admin = shop.admin("root").await;
    let mut client = shop.bearer(&admin.access_token).await;
    let request = bodega_proto::identity::v1::DeleteUserRequest { id: user(&session).id.clone() };
    client.delete_user(request).await.unwrap();
    shop.swept().await;
}
