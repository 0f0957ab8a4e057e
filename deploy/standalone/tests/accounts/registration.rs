//! Registering and logging in: lines 3, 11, 17.

use serde_json::{Value, json};

use crate::harness::{
    responses::{USER, assert_fields},
    store::{PASSWORD, Response, Shop, email_of},
};

/// An answer without what is different about each.
fn without_request_id(answer: &Response) -> String {
    answer.text.replace(answer.json["requestId"].as_str().unwrap(), "")
}

/// Line 11: register, and be logged in.
#[tokio::test]
async fn whoever_registers_is_signed_in() {
    let shop = Shop::start().await;
    let body = json!({"name": " Ada Lovelace ", "email": "Ada@Shop.example", "username": "Ada.L", "password": PASSWORD});
    let registered = shop.guest().post("/api/auth/register", body).await.expect(201);
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
    let ada = shop.guest().clone().signed_in(session.clone());
    let profile = ada.get("/api/users/me").await.expect(200).json;
    assert_eq!(profile["id"], user["id"]);
}

/// Contract, "Ids" and "Time".
#[tokio::test]
async fn users_have_uuids_of_version_7_and_times_in_utc() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    let id: uuid::Uuid = ada.id().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    let created_at = ada.session()["user"]["createdAt"].as_str().unwrap();
    let digits = created_at.replace(|c: char| c.is_ascii_digit(), "0");
    assert!(digits.starts_with("0000-00-00T00:00:00") && digits.ends_with('Z'), "{created_at}");
}

/// Line 11: by email or username; in any case, for they are unique without regard to it.
#[tokio::test]
async fn a_user_logs_in_by_email_username_or_either_in_any_case() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    for (field, login) in [
        ("email", email_of("ada")),
        ("email", "ADA@Shop.Example".to_owned()),
        ("username", "ada".to_owned()),
        ("username", "aDa".to_owned()),
        ("login", email_of("ADA")),
        ("login", "Ada".to_owned()),
    ] {
        let body = json!({ field: login, "password": PASSWORD });
        let session = shop.guest().post("/api/auth/login", body).await.expect(200).json;
        assert_eq!(session["user"], ada.session()["user"], "{field} {login}");
        assert_ne!(session["token"], ada.session()["token"], "a session of its own");
    }
    shop.guest().post("/api/auth/login", json!({"password": PASSWORD})).await.expect_refused(422, "email");
    let both = json!({"email": email_of("ada"), "username": "ada", "password": PASSWORD});
    let refused = shop.guest().post("/api/auth/login", both).await.expect_problem(422, "invalid_field");
    assert_eq!(refused.refused_fields(), ["username", "email"]);
}

/// Line 17: who has an account, and whether it is disabled, is nobody's business.
#[tokio::test]
async fn every_login_that_fails_is_answered_alike() {
    let shop = Shop::start().await;
    shop.register("ada").await;
    let disabled = shop.register("disabled").await;
    let path = format!("/api/users/{}", disabled.id());
    shop.admin().patch(&path, json!({"disabled": true})).await.expect(200);
    let mut answers = Vec::new();
    for (login, password) in [
        ("ada", "of somebody else"),
        ("ada", "A mug of tea at four"),
        ("nobody", PASSWORD),
        ("nobody@shop.example", PASSWORD),
        ("disabled", PASSWORD),
        ("a\0b", PASSWORD),
        (&"x".repeat(2000), PASSWORD),
        ("ada", &"x".repeat(2000)),
    ] {
        let body = json!({"login": login, "password": password});
        let answer = shop.guest().post("/api/auth/login", body).await;
        answers.push(without_request_id(&answer.expect_problem(401, "invalid_credentials")));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

/// Line 11; a login is one person's, however it is written.
#[tokio::test]
async fn an_email_and_a_username_are_taken_in_any_case() {
    let shop = Shop::start().await;
    shop.register("ada").await;
    let register = async |email: &str, username: &str| {
        let body = json!({"name": "Eve", "email": email, "username": username, "password": PASSWORD});
        shop.guest().post("/api/auth/register", body).await
    };
    let refused = register("ADA@shop.EXAMPLE", "eve").await.expect_refused(409, "email");
    assert_eq!(refused.code(), "email_taken");
    let refused = register("eve@shop.example", "ADA").await.expect_refused(409, "username");
    assert_eq!(refused.code(), "username_taken");
    register("eve@shop.example", "eve").await.expect(201);
}

/// Line 11: the username is one's own choice.
#[tokio::test]
async fn a_username_may_be_left_out() {
    let shop = Shop::start().await;
    let mut body = json!({"name": "Ada", "email": "ada@shop.example", "password": PASSWORD});
    let session = shop.guest().post("/api/auth/register", body.clone()).await.expect(201).json;
    assert_eq!(session["user"]["username"], Value::Null);
    body["email"] = json!("grace@shop.example");
    body["username"] = Value::Null;
    shop.guest().post("/api/auth/register", body).await.expect(201);
}

/// Contract, "Passwords": 8 to 256 characters, not a common one, not one's own name or email; nothing else.
#[tokio::test]
async fn a_password_is_refused_only_when_it_is_easy_to_guess() {
    let shop = Shop::start().await;
    let register = async |index: usize, password: &str| {
        let email = format!("countess{index}@shop.example");
        let body = json!({"name": "Ada Lovelace", "email": email, "username": format!("ada-lovelace-{index}"), "password": password});
        shop.guest().post("/api/auth/register", body).await
    };
    for (index, good) in ["tr0ub4do", "        ", "пароль-на-стене", "a\0b\tc\nd\u{7f}e", &"é".repeat(256)]
        .into_iter()
        .enumerate()
    {
        let session = register(index, good).await.expect(201).json;
        let body = json!({"email": session["user"]["email"], "password": good});
        shop.guest().post("/api/auth/login", body).await.expect(200);
    }
    for bad in [
        "",
        "short12",
        &"x".repeat(257),
        "password123",
        "QWERTYUIOP",
        "ada lovelace",
        "Ada-Lovelace-9",
        "COUNTESS9@shop.example",
    ] {
        register(9, bad).await.expect_refused(422, "password");
    }
}

/// Everything that is wrong is said at once.
#[tokio::test]
async fn every_field_that_is_refused_is_named() {
    let shop = Shop::start().await;
    let body = json!({"name": " ", "email": "nobody", "username": "a b", "password": "short"});
    let refused = shop.guest().post("/api/auth/register", body).await.expect_problem(422, "invalid_field");
    assert_eq!(refused.refused_fields(), ["name", "email", "username", "password"]);
}
