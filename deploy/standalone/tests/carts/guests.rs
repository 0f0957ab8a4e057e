//! Carts of guests: row "(guest carts)" of the contract, beyond the seed's lines 134 to 149.

use serde_json::json;

use crate::harness::{
    responses::{CART, assert_fields},
    store::{PASSWORD, Person, Response, Shop},
};

/// A guest whose first add was answered like this.
fn with_cart(shop: &Shop, added: &Response) -> Person {
    shop.guest().clone().with("x-cart-token", added.header("x-cart-token"))
}

#[tokio::test]
async fn a_guests_first_add_is_answered_with_the_token_of_the_cart() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 50).await;
    assert_eq!(shop.guest().get("/api/cart").await.expect(200).json["products"], json!([]));
    let added = shop.guest().add_to_cart(mug, 1).await.expect(200);
    assert_fields(&added.json, &format!("{CART} cartToken"));
    let token = added.json["cartToken"].as_str().unwrap();
    assert_eq!((token, token.len()), (added.header("x-cart-token"), 43));

    let guest = with_cart(&shop, &added);
    let again = guest.add_to_cart(mug, 2).await.expect(200);
    assert_fields(&again.json, CART);
    assert_eq!(again.header("x-cart-token"), "", "told once");
    assert_eq!(guest.cart_lines().await, [(mug, 3)]);
    let path = format!("/api/cart/items/{mug}");
    assert_eq!(guest.put(&path, json!({"quantity": 5})).await.expect(200).json["count"], 5);
    guest.post("/api/cart/remove", json!({"productId": mug})).await.expect(200);
    guest.post("/cart/add", json!({"productId": mug})).await.expect(200);
    guest.delete("/api/cart").await.expect(200);
    assert_eq!(guest.cart_lines().await, []);
    assert_eq!(shop.guest().get("/api/cart").await.expect(200).json["products"], json!([]), "each their own");
    let kept: String = sqlx::query_scalar("select string_agg(c::text, ' ') from cart.carts c")
        .fetch_one(&shop.sql().await)
        .await
        .unwrap();
    assert!(!kept.contains(token), "only its hash is kept");
}

#[tokio::test]
async fn a_guest_does_not_order() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 50).await;
    let guest = with_cart(&shop, &shop.guest().add_to_cart(mug, 1).await.expect(200));
    guest.place_order().await.expect_problem(401, "unauthenticated");
    assert_eq!(guest.cart_lines().await, [(mug, 1)]);
}

#[tokio::test]
async fn a_guests_cart_becomes_that_of_the_account_it_registers() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 50).await;
    for path in ["/api/auth/register", "/auth/register", "/auth/signup"] {
        let guest = with_cart(&shop, &shop.guest().add_to_cart(mug, 2).await.expect(200));
        let email = format!("{}@shop.example", path.replace('/', "-"));
        let body = json!({"name": "Ada", "email": email, "password": PASSWORD});
        let session = guest.post(path, body).await.expect(201).json;
        let ada = shop.guest().clone().signed_in(session);
        assert_eq!(ada.cart_lines().await, [(mug, 2)], "{path}");
        guest.get("/api/cart").await.expect_problem(404, "cart_not_found");
        guest.add_to_cart(mug, 1).await.expect_problem(404, "cart_not_found");
    }
}

/// Atomically and once.
#[tokio::test]
async fn a_guests_cart_is_added_at_login_and_only_once() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 50).await;
    let pot = shop.admin().create_product("Pot", "45", 50).await;
    let ada = shop.register("ada").await;
    ada.add_to_cart(mug, 1).await.expect(200);
    let guest = with_cart(&shop, &shop.guest().add_to_cart(mug, 2).await.expect(200));
    guest.add_to_cart(pot, 1).await.expect(200);

    let logins = (0..5).map(|_| guest.sign_in("ada"));
    let signed_in = futures_util::future::join_all(logins).await;
    for person in &signed_in {
        assert_eq!(person.cart_lines().await, [(mug, 3), (pot, 1)], "with the old cart's token too");
    }
    assert_eq!(ada.cart_lines().await, [(mug, 3), (pot, 1)]);
    guest.get("/api/cart").await.expect_problem(404, "cart_not_found");
    let grace = shop.register("grace").await;
    guest.sign_in("grace").await;
    assert_eq!(grace.cart_lines().await, [], "nor does anybody else get it");
}

/// A merge that was lost at login is made up for.
#[tokio::test]
async fn a_user_who_shows_a_guests_token_gets_what_it_holds() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 50).await;
    let ada = shop.register("ada").await;
    let token = shop.guest().add_to_cart(mug, 2).await.expect(200).header("x-cart-token").to_owned();
    assert_eq!(ada.clone().with("x-cart-token", &token).cart_lines().await, [(mug, 2)]);
    assert_eq!(ada.cart_lines().await, [(mug, 2)]);
}

#[tokio::test]
async fn a_failed_login_leaves_the_guests_cart_alone() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 50).await;
    shop.register("ada").await;
    let guest = with_cart(&shop, &shop.guest().add_to_cart(mug, 2).await.expect(200));
    let wrong = json!({"login": "ada", "password": "of somebody else"});
    guest.post("/api/auth/login", wrong).await.expect_problem(401, "invalid_credentials");
    assert_eq!(guest.cart_lines().await, [(mug, 2)]);
}

/// Lines stop at their bounds; nothing of the user's own is lost.
#[tokio::test]
async fn a_merge_that_would_be_too_much_keeps_what_fits() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 50).await;
    let ada = shop.register("ada").await;
    ada.add_to_cart(mug, 6_000).await.expect(200);
    let guest = with_cart(&shop, &shop.guest().add_to_cart(mug, 6_000).await.expect(200));
    guest.sign_in("ada").await;
    assert_eq!(ada.cart_lines().await, [(mug, 9_999)]);
}
