//! Users: lines 50 to 54, 117 to 119.

use serde_json::json;

use crate::harness::{
    images::png,
    responses::{USER, assert_fields},
    store::{PASSWORD, Shop},
};

/// Line 54: create, update, get; and what is not named stays, the picture too.
#[tokio::test]
async fn a_user_is_created_updated_and_got() {
    let shop = Shop::start().await;
    let body = json!({"name": "Ada", "email": "ada@shop.example", "username": "ada", "password": PASSWORD});
    let session = shop.guest().post("/api/auth/register", body).await.expect(201).json;
    assert_fields(&session["user"], USER);
    let ada = shop.guest().clone().signed_in(session);
    let picture = ada.set_avatar(&png()).await.expect(200).json["avatarUrl"].clone();

    let home = json!({"name": "Ada", "line1": "12 St James's Square", "city": "London", "country": "GB"});
    let changed =
        ada.patch("/api/users/me", json!({"name": "Countess", "addresses": [home]})).await.expect(200).json;
    assert_eq!(
        (&changed["name"], &changed["email"], &changed["avatarUrl"]),
        (&json!("Countess"), &json!("ada@shop.example"), &picture)
    );
    let put = json!({"name": "Ada Lovelace", "email": "countess@shop.example"});
    let replaced = ada.put("/api/users/me", put).await.expect(200).json;
    assert_eq!((&replaced["addresses"], &replaced["avatarUrl"]), (&json!([]), &picture));
    assert_eq!(ada.get("/api/users/me").await.expect(200).json, replaced);
    for field in ["avatarUrl", "avatarThumbnailUrl", "role"] {
        ada.patch("/api/users/me", json!({ field: "https://example.com" })).await.expect_refused(422, field);
    }
    shop.verify().await;
}

/// Lines 51, 117 to 119: the password is hashed, a login gives a JWT, and it is what opens a protected route.
#[tokio::test]
async fn a_login_gives_the_token_that_opens_ones_profile() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    let again = ada.sign_in("ada@shop.example").await;
    assert_eq!(again.token().split('.').count(), 3);
    assert_eq!(again.get("/api/users/me").await.expect(200).json["id"], ada.id());
    shop.guest().get("/api/users/me").await.expect_problem(401, "unauthenticated");
    let kept: String = sqlx::query_scalar("select password_hash from identity.users where role = 'user'")
        .fetch_one(&shop.sql().await)
        .await
        .unwrap();
    assert!(kept.starts_with("$argon2id$") && !kept.contains(PASSWORD), "{kept}");
}
