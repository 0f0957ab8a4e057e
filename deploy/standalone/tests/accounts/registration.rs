//! Registration and login.

use serde_json::{Value, json};

use crate::harness::{
    responses::{USER, assert_fields},
    store::{PASSWORD, Response, TestStore, email_of},
};

/// A response without its request id.
fn without_request_id(response: &Response) -> String {
    response.text.replace(response.json["requestId"].as_str().unwrap(), "")
}

#[tokio::test]
async fn registering_signs_in() {
    let store = TestStore::start().await;
    let body = json!({"name": " Ada Lovelace ", "email": "Ada@Shop.example", "username": "Ada.L", "password": PASSWORD});
    let registered = store.guest().post("/api/auth/register", body).await.expect(201);
    let session = &registered.json;
    assert_fields(session, "user token tokenType expiresIn refreshToken");
    assert_eq!((&session["tokenType"], &session["expiresIn"]), (&json!("Bearer"), &json!(900)));
    let user = &session["user"];
    assert_fields(user, USER);
    assert_eq!((&user["name"], &user["email"]), (&json!("Ada Lovelace"), &json!("Ada@Shop.example")));
    assert_eq!(
        (&user["username"], &user["role"], &user["avatarUrl"]),
        (&json!("Ada.L"), &json!("user"), &Value::Null)
    );
    assert_eq!(user["createdAt"], user["updatedAt"]);
    let ada = store.guest().clone().signed_in(session.clone());
    let profile = ada.get("/api/users/me").await.expect(200).json;
    assert_eq!(profile["id"], user["id"]);
}

#[tokio::test]
async fn user_ids_are_uuid_v7_and_times_are_utc() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let id: uuid::Uuid = ada.id().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    let created_at = ada.session()["user"]["createdAt"].as_str().unwrap();
    let digits = created_at.replace(|c: char| c.is_ascii_digit(), "0");
    assert!(digits.starts_with("0000-00-00T00:00:00") && digits.ends_with('Z'), "{created_at}");
}

/// Emails and usernames are unique regardless of case.
#[tokio::test]
async fn logs_in_by_email_or_username_in_any_case() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    for (field, login) in [
        ("email", email_of("ada")),
        ("email", "ADA@Shop.Example".to_owned()),
        ("username", "ada".to_owned()),
        ("username", "aDa".to_owned()),
        ("login", email_of("ADA")),
        ("login", "Ada".to_owned()),
    ] {
        let body = json!({ field: login, "password": PASSWORD });
        let session = store.guest().post("/api/auth/login", body).await.expect(200).json;
        assert_eq!(session["user"], ada.session()["user"], "{field} {login}");
        assert_ne!(session["token"], ada.session()["token"], "a session of its own");
    }
    store
        .guest()
        .post("/api/auth/login", json!({"password": PASSWORD}))
        .await
        .expect_field_error(422, "email");
    let both = json!({"email": email_of("ada"), "username": "ada", "password": PASSWORD});
    let rejected = store.guest().post("/api/auth/login", both).await.expect_problem(422, "invalid_field");
    assert_eq!(rejected.error_fields(), ["username", "email"]);
}

/// A response does not reveal whether a user exists or is disabled.
#[tokio::test]
async fn failed_logins_are_indistinguishable() {
    let store = TestStore::start().await;
    store.register("ada").await;
    let disabled = store.register("disabled").await;
    let path = format!("/api/users/{}", disabled.id());
    store.admin().patch(&path, json!({"disabled": true})).await.expect(200);
    let mut responses = Vec::new();
    for (login, password) in [
        ("ada", "not the password"),
        ("ada", "A mug of tea at four"),
        ("unknown", PASSWORD),
        ("unknown@shop.example", PASSWORD),
        ("disabled", PASSWORD),
        ("a\0b", PASSWORD),
        (&"x".repeat(2000), PASSWORD),
        ("ada", &"x".repeat(2000)),
    ] {
        let body = json!({"login": login, "password": password});
        let response = store.guest().post("/api/auth/login", body).await;
        responses.push(without_request_id(&response.expect_problem(401, "invalid_credentials")));
    }
    assert!(responses.iter().all(|response| *response == responses[0]), "{responses:#?}");
}

#[tokio::test]
async fn rejects_taken_emails_and_usernames_in_any_case() {
    let store = TestStore::start().await;
    store.register("ada").await;
    let register = async |email: &str, username: &str| {
        let body = json!({"name": "Eve", "email": email, "username": username, "password": PASSWORD});
        store.guest().post("/api/auth/register", body).await
    };
    let rejected = register("ADA@shop.EXAMPLE", "eve").await.expect_field_error(409, "email");
    assert_eq!(rejected.code(), "email_taken");
    let rejected = register("eve@shop.example", "ADA").await.expect_field_error(409, "username");
    assert_eq!(rejected.code(), "username_taken");
    register("eve@shop.example", "eve").await.expect(201);
}

#[tokio::test]
async fn username_is_optional() {
    let store = TestStore::start().await;
    let mut body = json!({"name": "Ada", "email": "ada@shop.example", "password": PASSWORD});
    let session = store.guest().post("/api/auth/register", body.clone()).await.expect(201).json;
    assert_eq!(session["user"]["username"], Value::Null);
    body["email"] = json!("grace@shop.example");
    body["username"] = Value::Null;
    store.guest().post("/api/auth/register", body).await.expect(201);
}

/// 8 to 256 characters, not a common password, not the user's own name or email; no other rules.
#[tokio::test]
async fn rejects_only_weak_passwords() {
    let store = TestStore::start().await;
    let register = async |index: usize, password: &str| {
        let email = format!("countess{index}@shop.example");
        let body = json!({"name": "Ada Lovelace", "email": email, "username": format!("ada-lovelace-{index}"), "password": password});
        store.guest().post("/api/auth/register", body).await
    };
    for (index, valid) in
        ["tr0ub4do", "пароль-на-стене", "a\0b\tc\nd\u{7f}e", &"é".repeat(256)].into_iter().enumerate()
    {
        let session = register(index, valid).await.expect(201).json;
        let body = json!({"email": session["user"]["email"], "password": valid});
        store.guest().post("/api/auth/login", body).await.expect(200);
    }
    for invalid in [
        "",
        "short12",
        "        ",
        &"x".repeat(257),
        "password123",
        "QWERTYUIOP",
        "ada lovelace",
        "Ada-Lovelace-9",
        "COUNTESS9@shop.example",
    ] {
        register(9, invalid).await.expect_field_error(422, "password");
    }
}

#[tokio::test]
async fn reports_every_invalid_field_at_once() {
    let store = TestStore::start().await;
    let body = json!({"name": " ", "email": "unknown", "username": "a b", "password": "short"});
    let rejected = store.guest().post("/api/auth/register", body).await.expect_problem(422, "invalid_field");
    assert_eq!(rejected.error_fields(), ["name", "email", "username", "password"]);
}
