//! Carts of guests, and merging them into the cart of a user.

use serde_json::json;

use crate::harness::{
    responses::{CART, assert_fields},
    store::{Client, PASSWORD, Response, TestStore},
};

/// A guest with the cart token of this response.
fn with_cart(store: &TestStore, added: &Response) -> Client {
    store.guest().clone().with("x-cart-token", added.header("x-cart-token"))
}

#[tokio::test]
async fn the_first_add_of_a_guest_returns_a_cart_token() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    assert_eq!(store.guest().get("/api/cart").await.expect(200).json["products"], json!([]));
    let added = store.guest().add_to_cart(mug, 1).await.expect(200);
    assert_fields(&added.json, &format!("{CART} cartToken"));
    let token = added.json["cartToken"].as_str().unwrap();
    assert_eq!((token, token.len()), (added.header("x-cart-token"), 43));

    let guest = with_cart(&store, &added);
    let again = guest.add_to_cart(mug, 2).await.expect(200);
    assert_fields(&again.json, CART);
    assert_eq!(again.header("x-cart-token"), "", "returned once");
    assert_eq!(guest.cart_lines().await, [(mug, 3)]);
    let path = format!("/api/cart/items/{mug}");
    assert_eq!(guest.put(&path, json!({"quantity": 5})).await.expect(200).json["count"], 5);
    guest.post("/api/cart/remove", json!({"productId": mug})).await.expect(200);
    guest.post("/cart/add", json!({"productId": mug})).await.expect(200);
    guest.delete("/api/cart").await.expect(200);
    assert_eq!(guest.cart_lines().await, []);
    assert_eq!(
        store.guest().get("/api/cart").await.expect(200).json["products"],
        json!([]),
        "guests have separate carts"
    );
    let stored: String = sqlx::query_scalar("select string_agg(c::text, ' ') from cart.carts c")
        .fetch_one(&store.sql().await)
        .await
        .unwrap();
    assert!(!stored.contains(token), "only its hash is stored");
}

#[tokio::test]
async fn guests_cannot_place_orders() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let guest = with_cart(&store, &store.guest().add_to_cart(mug, 1).await.expect(200));
    guest.place_order().await.expect_problem(401, "unauthenticated");
    assert_eq!(guest.cart_lines().await, [(mug, 1)]);
}

#[tokio::test]
async fn registration_merges_the_guest_cart() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    for path in ["/api/auth/register", "/auth/register", "/auth/signup"] {
        let guest = with_cart(&store, &store.guest().add_to_cart(mug, 2).await.expect(200));
        let email = format!("{}@shop.example", path.replace('/', "-"));
        let body = json!({"name": "Ada", "email": email, "password": PASSWORD});
        let session = guest.post(path, body).await.expect(201).json;
        let ada = store.guest().clone().signed_in(session);
        assert_eq!(ada.cart_lines().await, [(mug, 2)], "{path}");
        guest.get("/api/cart").await.expect_problem(404, "cart_not_found");
        guest.add_to_cart(mug, 1).await.expect_problem(404, "cart_not_found");
    }
}

#[tokio::test]
async fn login_merges_the_guest_cart_once() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let pot = store.admin().create_product("Pot", "45", 50).await;
    let ada = store.register("ada").await;
    ada.add_to_cart(mug, 1).await.expect(200);
    let guest = with_cart(&store, &store.guest().add_to_cart(mug, 2).await.expect(200));
    guest.add_to_cart(pot, 1).await.expect(200);

    let logins = (0..5).map(|_| guest.sign_in("ada"));
    let signed_in = futures_util::future::join_all(logins).await;
    for client in &signed_in {
        assert_eq!(client.cart_lines().await, [(mug, 3), (pot, 1)], "also with the old cart token");
    }
    assert_eq!(ada.cart_lines().await, [(mug, 3), (pot, 1)]);
    guest.get("/api/cart").await.expect_problem(404, "cart_not_found");
    let grace = store.register("grace").await;
    guest.sign_in("grace").await;
    assert_eq!(grace.cart_lines().await, [], "not merged twice");
}

/// A merge that failed during login is retried by the next request.
#[tokio::test]
async fn a_cart_token_is_merged_into_the_users_cart() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let ada = store.register("ada").await;
    let token = store.guest().add_to_cart(mug, 2).await.expect(200).header("x-cart-token").to_owned();
    assert_eq!(ada.clone().with("x-cart-token", &token).cart_lines().await, [(mug, 2)]);
    assert_eq!(ada.cart_lines().await, [(mug, 2)]);
}

#[tokio::test]
async fn a_failed_login_keeps_the_guest_cart() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    store.register("ada").await;
    let guest = with_cart(&store, &store.guest().add_to_cart(mug, 2).await.expect(200));
    let login = json!({"login": "ada", "password": "not the password"});
    guest.post("/api/auth/login", login).await.expect_problem(401, "invalid_credentials");
    assert_eq!(guest.cart_lines().await, [(mug, 2)]);
}

/// Quantities are limited to the maximum.
#[tokio::test]
async fn a_merge_is_capped_at_the_limits() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let ada = store.register("ada").await;
    ada.add_to_cart(mug, 6_000).await.expect(200);
    let guest = with_cart(&store, &store.guest().add_to_cart(mug, 6_000).await.expect(200));
    guest.sign_in("ada").await;
    assert_eq!(ada.cart_lines().await, [(mug, 9_999)]);
}
