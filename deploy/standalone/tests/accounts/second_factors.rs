//! Second factors in the whole store: a login in two steps, and refunds by admins.

use serde_json::{Value, json};

use crate::harness::{
    store::{ADMIN_EMAIL, Client, PASSWORD, TestStore},
    totp::Authenticator,
};

/// Enables a second factor. Returns the new session, and the recovery codes.
async fn enable(client: &Client) -> (Authenticator, Client, Vec<Value>) {
    let enrolled =
        client.post("/api/auth/2fa/enroll", json!({"currentPassword": PASSWORD})).await.expect(200).json;
    let authenticator = Authenticator::new(enrolled["secret"].as_str().unwrap());
    let code = json!({"code": authenticator.code(0)});
    let confirmed = client.post("/api/auth/2fa/confirm", code).await.expect(200).json;
    let codes = confirmed["recoveryCodes"].as_array().unwrap().clone();
    (authenticator, client.clone().signed_in(confirmed["session"].clone()), codes)
}

#[tokio::test]
async fn a_login_has_two_steps() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let (authenticator, ..) = enable(&ada).await;
    ada.get("/api/users/me").await.expect_problem(401, "session_ended");
    let credentials = json!({"login": "ada", "password": PASSWORD});
    for path in ["/api/auth/login", "/auth/login"] {
        let rejected = store.guest().post(path, credentials.clone()).await;
        let rejected = rejected.expect_problem(401, "second_factor_required");
        assert_eq!(rejected.json["secondFactor"]["expiresIn"], 300);
    }
    let wrong = json!({"login": "ada", "password": "not the password"});
    store.guest().post("/api/auth/login", wrong).await.expect_problem(401, "invalid_credentials");

    let rejected = store.guest().post("/api/auth/login", credentials).await;
    let step = json!({"token": rejected.json["secondFactor"]["token"], "code": authenticator.code(1)});
    let session = store.guest().post("/api/auth/2fa", step.clone()).await.expect(200).json;
    store.guest().clone().signed_in(session).get("/api/users/me").await.expect(200);
    store.guest().post("/api/auth/2fa", step).await.expect_problem(401, "invalid_second_factor_token");
}

#[tokio::test]
async fn an_admin_enters_a_code_again_before_a_refund() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 9).await;
    let order = store.register("ada").await.buy(mug, 1).await;
    let admin = store.guest().sign_in(ADMIN_EMAIL).await;
    let (_, admin, codes) = enable(&admin).await;
    let age = "update identity.sessions set second_factor_at = second_factor_at - interval '16 minutes'";
    sqlx::query(age).execute(&store.sql().await).await.unwrap();
    let refresh = json!({"refreshToken": admin.session()["refreshToken"]});
    let session = store.guest().post("/api/auth/refresh", refresh).await.expect(200).json;
    let admin = admin.signed_in(session);

    admin.update_order_status(&order, "paid").await.expect(200);
    admin.cancel(&order).await.expect_problem(403, "second_factor_required");
    assert_eq!(admin.order(&order).await["status"], "paid", "nothing has changed");
    let session = admin.post("/api/auth/2fa", json!({"code": codes[0]})).await.expect(200).json;
    let admin = admin.signed_in(session);
    assert_eq!(admin.cancel(&order).await.expect(200).json["status"], "cancelled");
    store.verify().await;
}
