//! Staying logged in, and logging out: line 11; rows `/api/auth/…` of the contract.

use serde_json::{Value, json};

use crate::harness::{
    responses::assert_fields,
    store::{Person, Response, Shop},
};

async fn refresh(shop: &Shop, session: &Value) -> Response {
    shop.guest().post("/api/auth/refresh", json!({"refreshToken": session["refreshToken"]})).await
}

fn with_token(shop: &Shop, token: &str) -> Person {
    shop.guest().clone().with("authorization", &format!("Bearer {token}"))
}

#[tokio::test]
async fn a_refresh_token_gives_the_next_pair() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    let next = refresh(&shop, ada.session()).await.expect(200).json;
    assert_fields(&next, "user token tokenType expiresIn refreshToken");
    assert_eq!(next["user"], ada.session()["user"]);
    assert_ne!(next["token"], ada.session()["token"]);
    assert_ne!(next["refreshToken"], ada.session()["refreshToken"]);
    let snake = json!({"refresh_token": next["refreshToken"]});
    let next = shop.guest().post("/api/auth/refresh", snake).await.expect(200).json;
    let sessions = shop.guest().clone().signed_in(next).get("/api/auth/sessions").await.expect(200);
    assert_eq!(sessions.items().len(), 1, "it is still the same session");
}

#[tokio::test]
async fn a_refresh_whose_reply_was_lost_can_be_repeated() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    refresh(&shop, ada.session()).await.expect(200);
    let next = refresh(&shop, ada.session()).await.expect(200).json;
    let next = refresh(&shop, &next).await.expect(200).json;
    shop.guest().clone().signed_in(next).get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_used_again_later_ends_the_whole_session() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    let elsewhere = ada.sign_in("ada").await;
    let second = refresh(&shop, ada.session()).await.expect(200).json;
    let third = refresh(&shop, &second).await.expect(200).json;

    refresh(&shop, ada.session()).await.expect_problem(401, "invalid_refresh_token");
    refresh(&shop, &third).await.expect_problem(401, "invalid_refresh_token");
    let latest = shop.guest().clone().signed_in(third);
    latest.get("/api/users/me").await.expect_problem(401, "session_ended");
    elsewhere.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    for token in ["", "x", "\0", ada.token(), &"A".repeat(43), &"A".repeat(100_000)] {
        let body = json!({"refreshToken": token});
        shop.guest().post("/api/auth/refresh", body).await.expect_problem(401, "invalid_refresh_token");
    }
}

#[tokio::test]
async fn a_logout_ends_its_access_token_at_once_and_no_other_session() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    let elsewhere = ada.sign_in("ada").await;
    let out = ada.post_nothing("/api/auth/logout").await.expect(204);
    assert_eq!(out.text, "");
    for path in ["/api/users/me", "/api/orders", "/api/cart", "/api/auth/sessions"] {
        let refused = ada.get(path).await.expect_problem(401, "session_ended");
        assert_eq!(refused.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    }
    ada.post_nothing("/api/auth/logout").await.expect_problem(401, "session_ended");
    refresh(&shop, ada.session()).await.expect_problem(401, "invalid_refresh_token");
    ada.get("/api/products").await.expect(200);
    elsewhere.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn logout_all_ends_every_session_of_the_user_and_of_nobody_else() {
    let shop = Shop::start().await;
    let (ada, grace) = (shop.register("ada").await, shop.register("grace").await);
    let elsewhere = ada.sign_in("ada").await;
    ada.post_nothing("/api/auth/logout-all").await.expect(204);
    for person in [&ada, &elsewhere] {
        person.get("/api/users/me").await.expect_problem(401, "session_ended");
        refresh(&shop, person.session()).await.expect_problem(401, "invalid_refresh_token");
    }
    grace.get("/api/users/me").await.expect(200);
    ada.sign_in("ada").await.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn a_user_sees_and_ends_their_own_sessions_only() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    let elsewhere = ada.clone().with("user-agent", "a browser/1.0").sign_in("ada").await;
    let grace = shop.register("grace").await;

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
    elsewhere.get("/api/users/me").await.expect(200);
    ada.delete(&path).await.expect(204);
    elsewhere.get("/api/users/me").await.expect_problem(401, "session_ended");
    ada.delete(&path).await.expect_problem(404, "session_not_found");
    assert_eq!(ada.get("/api/auth/sessions").await.expect(200).items().len(), 1);
}

#[tokio::test]
async fn a_token_that_is_not_ours_is_refused_wherever_one_is_needed() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    let [header, claims, signature] = ada.token().split('.').collect::<Vec<_>>()[..] else {
        panic!("no JWT")
    };
    let grace = shop.register("grace").await;
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
            let refused = with_token(&shop, token).get(path).await.expect_problem(401, "invalid_token");
            assert_eq!(refused.header("www-authenticate"), r#"Bearer error="invalid_token""#);
        }
        with_token(&shop, token).get("/api/products").await.expect(200);
    }
    let basic = shop.guest().clone().with("authorization", "Basic YWRhOnRlYQ==");
    basic.get("/api/users/me").await.expect_problem(401, "invalid_token");
    let spelled = shop.guest().clone().with("authorization", &format!("bearer  {}", ada.token()));
    spelled.get("/api/users/me").await.expect(200);
}
