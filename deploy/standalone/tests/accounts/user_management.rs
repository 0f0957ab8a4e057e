//! The management of users by admins.

use serde_json::{Value, json};

use crate::harness::{
    responses::{USER, assert_fields, pluck},
    store::{Client, PASSWORD, TestStore},
};

fn path_of(client: &Client) -> String {
    format!("/api/users/{}", client.id())
}

#[tokio::test]
async fn admins_list_and_search_users() {
    let store = TestStore::start().await;
    let (ada, grace) = (store.register("ada").await, store.register("Grace").await);
    let users = store.admin().get("/api/users").await.expect(200);
    assert_fields(&users.json, "items nextCursor");
    users.items().iter().for_each(|user| assert_fields(user, &format!("{USER} disabled")));
    let admin = store.admin().id();
    assert_eq!(pluck(users.items(), "id"), [grace.id(), ada.id(), admin], "newest first");
    assert_eq!(pluck(users.items(), "role"), ["user", "user", "admin"]);
    for (query, expected) in [
        ("q=GRACE", vec![grace.id()]),
        ("q=shop.example", vec![grace.id(), ada.id(), admin]),
        ("q=ad&role=user", vec![ada.id()]),
        ("role=admin", vec![admin]),
        ("q=unknown", vec![]),
        ("q=%25", vec![]),
        ("q=_", vec![]),
    ] {
        let found = store.admin().get(&format!("/api/users?{query}")).await.expect(200);
        assert_eq!(pluck(found.items(), "id"), expected, "{query}");
    }
    assert_eq!(
        pluck(&store.admin().all_pages("/api/users?limit=1").await, "id"),
        [grace.id(), ada.id(), admin]
    );
    for (query, field) in [
        ("role=root", "role"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        ("name=ada", "name"),
    ] {
        store.admin().get(&format!("/api/users?{query}")).await.expect_field_error(400, field);
    }
    let one = store.admin().get(&path_of(&ada)).await.expect(200).json;
    assert_eq!(one, users.items()[1]);
}

#[tokio::test]
async fn admins_change_roles() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let promoted = store.admin().patch(&path_of(&ada), json!({"role": "admin"})).await.expect(200).json;
    assert_eq!((&promoted["role"], &promoted["id"]), (&json!("admin"), &json!(ada.id())));
    let refresh = json!({"refreshToken": ada.session()["refreshToken"]});
    let session = store.guest().post("/api/auth/refresh", refresh).await.expect(200).json;
    let ada = store.guest().clone().signed_in(session);
    ada.create_product("Mug", "1", 1).await;

    let demoted = store.admin().patch(&path_of(&ada), json!({"role": "user"})).await.expect(200).json;
    assert_eq!(demoted["role"], "user");
    ada.get("/api/users").await.expect_problem(401, "session_ended");
    ada.sign_in("ada").await.get("/api/users").await.expect_problem(403, "admin_only");
}

#[tokio::test]
async fn disabling_a_user_ends_their_sessions() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    assert_eq!(
        store.admin().patch(&path_of(&ada), json!({"disabled": true})).await.expect(200).json["disabled"],
        true
    );
    ada.get("/api/users/me").await.expect_problem(401, "session_ended");
    let refresh = json!({"refreshToken": ada.session()["refreshToken"]});
    store.guest().post("/api/auth/refresh", refresh).await.expect_problem(401, "invalid_refresh_token");
    let login = json!({"login": "ada", "password": PASSWORD});
    store.guest().post("/api/auth/login", login).await.expect_problem(401, "invalid_credentials");
    store.admin().patch(&path_of(&ada), json!({"disabled": false})).await.expect(200);
    ada.sign_in("ada").await.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn deleting_a_user_keeps_their_orders() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let ada = store.register("ada").await;
    let order = ada.buy(mug, 1).await;
    assert_eq!(store.admin().delete(&path_of(&ada)).await.expect(204).text, "");
    ada.get("/api/users/me").await.expect_problem(401, "session_ended");
    for response in [
        store.admin().get(&path_of(&ada)).await,
        store.admin().patch(&path_of(&ada), json!({"role": "admin"})).await,
        store.admin().delete(&path_of(&ada)).await,
    ] {
        response.expect_problem(404, "user_not_found");
    }
    assert_eq!(store.admin().get("/api/users").await.expect(200).items().len(), 1);
    let orders = store.admin().get(&format!("/api/admin/orders?userId={}", ada.id())).await.expect(200);
    assert_eq!(orders.items(), [order]);
    let stored: Value =
        sqlx::query_scalar("select to_jsonb(u) from identity.users u where deleted_at is not null")
            .fetch_one(&store.sql().await)
            .await
            .unwrap();
    assert!(!stored.to_string().contains("ada"), "{stored}");
    let again = store.register("ada").await;
    assert_ne!(again.id(), ada.id());
    assert_eq!(again.get("/api/orders").await.expect(200).items().len(), 0);
    store.verify().await;
}

#[tokio::test]
async fn the_last_admin_cannot_be_removed() {
    let store = TestStore::start().await;
    let admin = store.admin();
    for patch in [json!({"role": "user"}), json!({"disabled": true})] {
        admin.patch(&path_of(admin), patch).await.expect_problem(409, "last_admin");
    }
    admin.delete(&path_of(admin)).await.expect_problem(409, "last_admin");
    let ada = store.register("ada").await;
    admin.patch(&path_of(&ada), json!({"role": "admin"})).await.expect(200);
    admin.delete(&path_of(admin)).await.expect(204);
    ada.sign_in("ada").await.get("/api/users").await.expect(200);
}
