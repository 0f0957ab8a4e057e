//! Users and their roles: lines 60 to 69, 112; rows `/api/users` of the contract.

use serde_json::{Value, json};

use crate::harness::{
    responses::{USER, assert_fields, pluck},
    store::{PASSWORD, Person, Shop},
};

fn path_of(person: &Person) -> String {
    format!("/api/users/{}", person.id())
}

/// Lines 62 to 69: every field, and a role that is "user" by default.
#[tokio::test]
async fn an_admin_lists_and_searches_users() {
    let shop = Shop::start().await;
    let (ada, grace) = (shop.register("ada").await, shop.register("Grace").await);
    let users = shop.admin().get("/api/users").await.expect(200);
    assert_fields(&users.json, "items");
    users.items().iter().for_each(|user| assert_fields(user, &format!("{USER} disabled")));
    let admin = shop.admin().id();
    assert_eq!(pluck(users.items(), "id"), [grace.id(), ada.id(), admin], "newest first");
    assert_eq!(pluck(users.items(), "role"), ["user", "user", "admin"]);
    for (query, expected) in [
        ("q=GRACE", vec![grace.id()]),
        ("q=shop.example", vec![grace.id(), ada.id(), admin]),
        ("q=ad&role=user", vec![ada.id()]),
        ("role=admin", vec![admin]),
        ("q=nobody", vec![]),
        ("q=%25", vec![]),
        ("q=_", vec![]),
    ] {
        let found = shop.admin().get(&format!("/api/users?{query}")).await.expect(200);
        assert_eq!(pluck(found.items(), "id"), expected, "{query}");
    }
    assert_eq!(
        pluck(&shop.admin().all_pages("/api/users?limit=1").await, "id"),
        [grace.id(), ada.id(), admin]
    );
    for (query, field) in [
        ("role=root", "role"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        ("name=ada", "name"),
    ] {
        shop.admin().get(&format!("/api/users?{query}")).await.expect_refused(400, field);
    }
    let one = shop.admin().get(&path_of(&ada)).await.expect(200).json;
    assert_eq!(one, users.items()[1]);
}

/// Line 112: an admin makes admins.
#[tokio::test]
async fn a_role_is_given_and_taken() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    let promoted = shop.admin().patch(&path_of(&ada), json!({"role": "admin"})).await.expect(200).json;
    assert_eq!((&promoted["role"], &promoted["id"]), (&json!("admin"), &json!(ada.id())));
    let refresh = json!({"refreshToken": ada.session()["refreshToken"]});
    let session = shop.guest().post("/api/auth/refresh", refresh).await.expect(200).json;
    let ada = shop.guest().clone().signed_in(session);
    ada.create_product("Mug", "1", 1).await;

    let demoted = shop.admin().patch(&path_of(&ada), json!({"role": "user"})).await.expect(200).json;
    assert_eq!(demoted["role"], "user");
    ada.get("/api/users").await.expect_problem(401, "session_ended");
    ada.sign_in("ada").await.get("/api/users").await.expect_problem(403, "admin_only");
}

#[tokio::test]
async fn a_disabled_user_is_signed_out_and_cannot_sign_in() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    assert_eq!(
        shop.admin().patch(&path_of(&ada), json!({"disabled": true})).await.expect(200).json["disabled"],
        true
    );
    ada.get("/api/users/me").await.expect_problem(401, "session_ended");
    let refresh = json!({"refreshToken": ada.session()["refreshToken"]});
    shop.guest().post("/api/auth/refresh", refresh).await.expect_problem(401, "invalid_refresh_token");
    let login = json!({"login": "ada", "password": PASSWORD});
    shop.guest().post("/api/auth/login", login).await.expect_problem(401, "invalid_credentials");
    shop.admin().patch(&path_of(&ada), json!({"disabled": false})).await.expect(200);
    ada.sign_in("ada").await.get("/api/users/me").await.expect(200);
}

/// Contract: delete; what they ordered stays.
#[tokio::test]
async fn a_deleted_user_is_forgotten_and_their_orders_stay() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let ada = shop.register("ada").await;
    let order = ada.buy(mug, 1).await;
    assert_eq!(shop.admin().delete(&path_of(&ada)).await.expect(204).text, "");
    ada.get("/api/users/me").await.expect_problem(401, "session_ended");
    for answer in [
        shop.admin().get(&path_of(&ada)).await,
        shop.admin().patch(&path_of(&ada), json!({"role": "admin"})).await,
        shop.admin().delete(&path_of(&ada)).await,
    ] {
        answer.expect_problem(404, "user_not_found");
    }
    assert_eq!(shop.admin().get("/api/users").await.expect(200).items().len(), 1);
    let orders = shop.admin().get(&format!("/api/admin/orders?userId={}", ada.id())).await.expect(200);
    assert_eq!(orders.items(), [order]);
    let kept: Value =
        sqlx::query_scalar("select to_jsonb(u) from identity.users u where deleted_at is not null")
            .fetch_one(&shop.sql().await)
            .await
            .unwrap();
    assert!(!kept.to_string().contains("ada"), "{kept}");
    let again = shop.register("ada").await;
    assert_ne!(again.id(), ada.id());
    assert_eq!(again.get("/api/orders").await.expect(200).items().len(), 0);
    shop.verify().await;
}

#[tokio::test]
async fn somebody_can_always_run_the_shop() {
    let shop = Shop::start().await;
    let admin = shop.admin();
    for patch in [json!({"role": "user"}), json!({"disabled": true})] {
        admin.patch(&path_of(admin), patch).await.expect_problem(409, "last_admin");
    }
    admin.delete(&path_of(admin)).await.expect_problem(409, "last_admin");
    let ada = shop.register("ada").await;
    admin.patch(&path_of(&ada), json!({"role": "admin"})).await.expect(200);
    admin.delete(&path_of(admin)).await.expect(204);
    ada.sign_in("ada").await.get("/api/users").await.expect(200);
}
