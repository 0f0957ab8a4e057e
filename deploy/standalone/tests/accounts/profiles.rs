//! A user's own profile.

use serde_json::{Value, json};

use crate::harness::{
    responses::{USER, assert_fields},
    store::{TestStore, email_of},
};

fn home() -> Value {
    json!({
        "name": "Ada Lovelace", "line1": "12 St James's Square", "line2": "", "city": "London", "region": "",
        "postalCode": "SW1Y 4JH", "country": "GB", "phone": "", "isDefault": true
    })
}

#[tokio::test]
async fn a_profile_contains_the_user_and_addresses() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let profile = ada.get("/api/users/me").await.expect(200).json;
    assert_fields(&profile, &format!("{USER} addresses"));
    for field in USER.split(' ') {
        assert_eq!(profile[field], ada.session()["user"][field], "{field}");
    }
    assert_eq!(profile["addresses"], json!([]));
}

#[tokio::test]
async fn patch_changes_only_the_given_fields() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let before = ada.get("/api/users/me").await.expect(200).json;
    assert_eq!(ada.patch("/api/users/me", json!({})).await.expect(200).json["email"], before["email"]);

    let work = json!({"name": "Ada", "line1": "1 Work St", "city": "Paris", "country": "fr", "postal_code": "75001"});
    let patch = json!({"name": "Countess", "addresses": [home(), work]});
    let changed = ada.patch("/api/users/me", patch).await.expect(200).json;
    assert_eq!((&changed["name"], &changed["username"]), (&json!("Countess"), &before["username"]));
    assert_eq!(changed["addresses"][0], home());
    let work = &changed["addresses"][1];
    assert_eq!(
        (&work["country"], &work["postalCode"], &work["isDefault"]),
        (&json!("FR"), &json!("75001"), &json!(false))
    );
    assert!(changed["updatedAt"].as_str() > before["updatedAt"].as_str());
    assert_eq!(ada.get("/api/users/me").await.expect(200).json, changed);

    let changed =
        ada.patch("/api/users/me", json!({"username": null, "addresses": []})).await.expect(200).json;
    assert_eq!((&changed["username"], &changed["addresses"]), (&Value::Null, &json!([])));
    assert_eq!(changed["name"], "Countess");
}

#[tokio::test]
async fn put_replaces_the_whole_profile() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    ada.patch("/api/users/me", json!({"addresses": [home()]})).await.expect(200);
    let body = json!({"name": "Countess", "email": "countess@shop.example"});
    let replaced = ada.put("/api/users/me", body).await.expect(200).json;
    assert_eq!(
        (&replaced["name"], &replaced["email"]),
        (&json!("Countess"), &json!("countess@shop.example"))
    );
    assert_eq!((&replaced["username"], &replaced["addresses"]), (&Value::Null, &json!([])));
    ada.put("/api/users/me", json!({"name": "Countess"})).await.expect_field_error(422, "email");
    ada.put("/api/users/me", json!({"email": "a@b.example"})).await.expect_field_error(422, "name");
    ada.sign_in("countess@shop.example").await;
}

#[tokio::test]
async fn changed_emails_and_usernames_log_in() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let patch = json!({"email": "new@shop.example", "username": "newada"});
    ada.patch("/api/users/me", patch).await.expect(200);
    ada.sign_in("new@shop.example").await;
    ada.sign_in("NEWADA").await;
    store.register("ada").await; // email and username are available again
}

#[tokio::test]
async fn rejects_emails_and_usernames_of_other_users() {
    let store = TestStore::start().await;
    let (ada, _) = (store.register("ada").await, store.register("grace").await);
    let before = ada.get("/api/users/me").await.expect(200).json;
    let email = json!({"name": "Eve", "email": email_of("GRACE")});
    assert_eq!(
        ada.patch("/api/users/me", email.clone()).await.expect_field_error(409, "email").code(),
        "email_taken"
    );
    ada.put("/api/users/me", email).await.expect_field_error(409, "email");
    let username = ada.patch("/api/users/me", json!({"username": "Grace"})).await;
    assert_eq!(username.expect_field_error(409, "username").code(), "username_taken");
    assert_eq!(ada.get("/api/users/me").await.expect(200).json, before);
    ada.patch("/api/users/me", json!({"email": email_of("ADA")})).await.expect(200);
}

#[tokio::test]
async fn users_cannot_change_their_own_role() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    for field in ["role", "id", "disabled", "password", "avatarUrl"] {
        ada.patch("/api/users/me", json!({ field: "admin" })).await.expect_field_error(422, field);
    }
    let mut body = json!({"name": "Eve", "email": "eve@shop.example", "password": "a mug of tea at four"});
    body["role"] = json!("admin");
    store.guest().post("/api/auth/register", body).await.expect_field_error(422, "role");
    assert_eq!(ada.get("/api/users/me").await.expect(200).json["role"], "user");
}

#[tokio::test]
async fn errors_name_the_index_of_an_invalid_address() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let with = |field: &str, value: Value| {
        let mut address = home();
        address[field] = value;
        address
    };
    for (invalid, field) in [
        (with("country", json!("GBR")), "country"),
        (with("city", json!("")), "city"),
        (with("line1", json!("a\u{0}b")), "line1"),
        (with("postalCode", json!("x".repeat(21))), "postalCode"),
        (with("name", json!(7)), "name"),
        (with("planet", json!("Mars")), "planet"),
    ] {
        let addresses = json!({"addresses": [with("isDefault", json!(false)), invalid]});
        let field = format!("addresses[1].{field}");
        ada.patch("/api/users/me", addresses).await.expect_field_error(422, &field);
    }
    ada.patch("/api/users/me", json!({"addresses": [home(), home()]}))
        .await
        .expect_field_error(422, "addresses");
    let many = vec![with("isDefault", json!(false)); 21];
    ada.patch("/api/users/me", json!({"addresses": many})).await.expect_field_error(422, "addresses");
    assert_eq!(ada.get("/api/users/me").await.expect(200).json["addresses"], json!([]));
}
