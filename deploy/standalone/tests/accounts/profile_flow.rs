//! A user from registration to login, with an avatar.

use serde_json::json;

use crate::harness::{
    images::png,
    responses::{USER, assert_fields},
    store::{PASSWORD, TestStore},
};

/// Fields that are not in the request keep their values, and so does the avatar.
#[tokio::test]
async fn creates_updates_and_returns_a_user() {
    let store = TestStore::start().await;
    let body = json!({"name": "Ada", "email": "ada@shop.example", "username": "ada", "password": PASSWORD});
    let session = store.guest().post("/api/auth/register", body).await.expect(201).json;
    assert_fields(&session["user"], USER);
    let ada = store.guest().clone().signed_in(session);
    let image = ada.set_avatar(&png()).await.expect(200).json["avatarUrl"].clone();

    let home = json!({"name": "Ada", "line1": "12 St James's Square", "city": "London", "country": "GB"});
    let changed =
        ada.patch("/api/users/me", json!({"name": "Countess", "addresses": [home]})).await.expect(200).json;
    assert_eq!(
        (&changed["name"], &changed["email"], &changed["avatarUrl"]),
        (&json!("Countess"), &json!("ada@shop.example"), &image)
    );
    let put = json!({"name": "Ada Lovelace", "email": "countess@shop.example"});
    let replaced = ada.put("/api/users/me", put).await.expect(200).json;
    assert_eq!((&replaced["addresses"], &replaced["avatarUrl"]), (&json!([]), &image));
    assert_eq!(ada.get("/api/users/me").await.expect(200).json, replaced);
    for field in ["avatarUrl", "avatarThumbnailUrl", "role"] {
        ada.patch("/api/users/me", json!({ field: "https://example.com" }))
            .await
            .expect_field_error(422, field);
    }
    store.verify().await;
}

/// The password is stored as a hash, and the JWT of the login authenticates requests.
#[tokio::test]
async fn a_login_token_authenticates_requests() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let again = ada.sign_in("ada@shop.example").await;
    assert_eq!(again.token().split('.').count(), 3);
    assert_eq!(again.get("/api/users/me").await.expect(200).json["id"], ada.id());
    store.guest().get("/api/users/me").await.expect_problem(401, "unauthenticated");
    let stored: String = sqlx::query_scalar("select password_hash from identity.users where role = 'user'")
        .fetch_one(&store.sql().await)
        .await
        .unwrap();
    assert!(stored.starts_with("$argon2id$") && !stored.contains(PASSWORD), "{stored}");
}
