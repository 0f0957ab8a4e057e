//! Sessions: refresh, logout, and their list.

use serde_json::{Value, json};

use crate::harness::{
    responses::assert_fields,
    store::{Client, Response, TestStore},
};

async fn refresh(store: &TestStore, session: &Value) -> Response {
    store.guest().post("/api/auth/refresh", json!({"refreshToken": session["refreshToken"]})).await
}

fn with_token(store: &TestStore, token: &str) -> Client {
    store.guest().clone().with("authorization", &format!("Bearer {token}"))
}

#[tokio::test]
async fn refresh_returns_a_new_token_pair() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let next = refresh(&store, ada.session()).await.expect(200).json;
    assert_fields(&next, "user token tokenType expiresIn refreshToken");
    assert_eq!(next["user"], ada.session()["user"]);
    assert_ne!(next["token"], ada.session()["token"]);
    assert_ne!(next["refreshToken"], ada.session()["refreshToken"]);
    let snake = json!({"refresh_token": next["refreshToken"]});
    let next = store.guest().post("/api/auth/refresh", snake).await.expect(200).json;
    let sessions = store.guest().clone().signed_in(next).get("/api/auth/sessions").await.expect(200);
    assert_eq!(sessions.items().len(), 1, "it is still the same session");
}

#[tokio::test]
async fn a_refresh_can_be_retried_after_a_lost_response() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    refresh(&store, ada.session()).await.expect(200);
    let next = refresh(&store, ada.session()).await.expect(200).json;
    let next = refresh(&store, &next).await.expect(200).json;
    store.guest().clone().signed_in(next).get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn reusing_an_old_refresh_token_ends_the_session() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let other_session = ada.sign_in("ada").await;
    let second = refresh(&store, ada.session()).await.expect(200).json;
    let third = refresh(&store, &second).await.expect(200).json;

    refresh(&store, ada.session()).await.expect_problem(401, "invalid_refresh_token");
    refresh(&store, &third).await.expect_problem(401, "invalid_refresh_token");
    let latest = store.guest().clone().signed_in(third);
    latest.get("/api/users/me").await.expect_problem(401, "session_ended");
    other_session.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn rejects_invalid_refresh_tokens() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    for token in ["", "x", "\0", ada.token(), &"A".repeat(43), &"A".repeat(100_000)] {
        let body = json!({"refreshToken": token});
        store.guest().post("/api/auth/refresh", body).await.expect_problem(401, "invalid_refresh_token");
    }
}

#[tokio::test]
async fn logout_revokes_its_own_session_at_once() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let other_session = ada.sign_in("ada").await;
    let out = ada.post_empty("/api/auth/logout").await.expect(204);
    assert_eq!(out.text, "");
    for path in ["/api/users/me", "/api/orders", "/api/cart", "/api/auth/sessions"] {
        let rejected = ada.get(path).await.expect_problem(401, "session_ended");
        assert_eq!(rejected.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    }
    ada.post_empty("/api/auth/logout").await.expect_problem(401, "session_ended");
    refresh(&store, ada.session()).await.expect_problem(401, "invalid_refresh_token");
    ada.get("/api/products").await.expect(200);
    other_session.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn logout_all_ends_all_sessions_of_the_user() {
    let store = TestStore::start().await;
    let (ada, grace) = (store.register("ada").await, store.register("grace").await);
    let other_session = ada.sign_in("ada").await;
    ada.post_empty("/api/auth/logout-all").await.expect(204);
    for client in [&ada, &other_session] {
        client.get("/api/users/me").await.expect_problem(401, "session_ended");
        refresh(&store, client.session()).await.expect_problem(401, "invalid_refresh_token");
    }
    grace.get("/api/users/me").await.expect(200);
    ada.sign_in("ada").await.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn users_list_and_end_only_their_own_sessions() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let other_session = ada.clone().with("user-agent", "a browser/1.0").sign_in("ada").await;
    let grace = store.register("grace").await;

    let sessions = ada.get("/api/auth/sessions").await.expect(200);
    assert_eq!(sessions.items().len(), 2);
    sessions.items().iter().for_each(|it| assert_fields(it, "id userAgent current createdAt lastUsedAt"));
    let [other, own] = sessions.items() else { panic!("{sessions:?}") };
    assert_eq!(
        (&other["current"], &other["userAgent"]),
        (&json!(false), &json!("a browser/1.0")),
        "latest first"
    );
    assert_eq!(own["current"], true);

    let path = format!("/api/auth/sessions/{}", other["id"].as_str().unwrap());
    grace.delete(&path).await.expect_problem(404, "session_not_found");
    other_session.get("/api/users/me").await.expect(200);
    ada.delete(&path).await.expect(204);
    other_session.get("/api/users/me").await.expect_problem(401, "session_ended");
    ada.delete(&path).await.expect_problem(404, "session_not_found");
    assert_eq!(ada.get("/api/auth/sessions").await.expect(200).items().len(), 1);
}

#[tokio::test]
async fn rejects_forged_access_tokens_on_every_route() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let [header, claims, signature] = ada.token().split('.').collect::<Vec<_>>()[..] else {
        panic!("no JWT")
    };
    let grace = store.register("grace").await;
    let of_grace = grace.token().split('.').nth(1).unwrap();
    // {"typ":"JWT","alg":"none"}
    let unsigned = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0";
    for token in [
        "",
        "x",
        "a.b.c",
        &format!("{header}.{of_grace}.{signature}"),
        &format!("{header}.{claims}."),
        &format!("{header}.{claims}"),
        &format!("{unsigned}.{claims}."),
        &"x".repeat(10_000),
    ] {
        for path in ["/api/users/me", "/api/orders", "/api/cart", "/api/users"] {
            let rejected = with_token(&store, token).get(path).await.expect_problem(401, "invalid_token");
            assert_eq!(rejected.header("www-authenticate"), r#"Bearer error="invalid_token""#);
        }
        with_token(&store, token).get("/api/products").await.expect(200);
    }
    let basic = store.guest().clone().with("authorization", "Basic YWRhOnRlYQ==");
    basic.get("/api/users/me").await.expect_problem(401, "invalid_token");
    let spelled = store.guest().clone().with("authorization", &format!("bearer  {}", ada.token()));
    spelled.get("/api/users/me").await.expect(200);
}
