//! Carts of users and guests, and how they are merged.

use bodega_proto::cart::v1::{
    AddItemRequest, AddItemResponse, Cart, CartItem, ClearCartRequest, ClearCartResponse, GetCartRequest,
    GetCartResponse, MergeGuestCartRequest, MergeGuestCartResponse, RemoveItemRequest, RemoveItemResponse,
    SetItemRequest, SetItemResponse,
};
use bodega_runtime::status;
use http::Method;
use serde_json::json;
use tonic::{Code, Status};

use crate::{
    fakes::Heard,
    shop::{Answered as _, Shop},
};

fn two_mugs() -> Option<Cart> {
    let line = CartItem {
        product_id: 3,
        name: "Mug".to_owned(),
        price_minor: 1250,
        quantity: 2,
        line_total_minor: 2500,
        available: true,
        ..Default::default()
    };
    Some(Cart {
        items: vec![line],
        total_minor: 2500,
        currency: "USD".to_owned(),
        count: 2,
        ..Default::default()
    })
}

/// A gateway whose cart service returns the token `new` for a new guest cart.
async fn shop() -> (Shop, Heard<AddItemRequest>) {
    let shop = Shop::open().await;
    let added = shop.cart.on("AddItem", |request: AddItemRequest| {
        let new = if request.guest_token.is_empty() { "new" } else { "" };
        Ok(AddItemResponse { cart: two_mugs(), guest_token: new.to_owned() })
    });
    (shop, added)
}

#[tokio::test]
async fn returns_the_token_of_a_new_guest_cart_once() {
    let (shop, added) = shop().await;
    for path in ["/api/cart/add", "/cart/add"] {
        let first = shop.post(path, json!({"productId": 3})).answer().await;
        assert_eq!((first.status, first.header("x-cart-token")), (200, "new"));
        assert_eq!(first.json()["cartToken"], "new");
        assert_eq!(added.last().quantity, 1);

        let request = shop.post(path, json!({"product_id": 3, "quantity": 2}));
        let again = request.header("x-cart-token", "old").answer().await;
        assert!(again.headers.get("x-cart-token").is_none() && again.json().get("cartToken").is_none());
        assert_eq!((added.last().guest_token.as_str(), added.last().quantity), ("old", 2));
    }
}

#[tokio::test]
async fn merges_the_guest_cart_of_a_user_first() {
    let shop = Shop::open().await;
    let merged = shop.cart.on("MergeGuestCart", |_: MergeGuestCartRequest| Ok(MergeGuestCartResponse {}));
    let got = shop.cart.on("GetCart", |_: GetCartRequest| Ok(GetCartResponse { cart: two_mugs() }));
    let get = || shop.get("/api/cart").bearer_auth(shop.identity.user());

    assert_eq!(get().answer().await.status, 200);
    assert_eq!(merged.count(), 0);
    assert_eq!(get().header("x-cart-token", "guest").answer().await.status, 200);
    assert_eq!(merged.last().guest_token, "guest");
    assert_eq!(got.last().guest_token, "");

    shop.cart.on("MergeGuestCart", |_: MergeGuestCartRequest| {
        Err::<MergeGuestCartResponse, _>(Status::unavailable("down"))
    });
    get().header("x-cart-token", "guest").answer().await.problem(503, "upstream_unavailable");
}

#[tokio::test]
async fn rejects_an_invalid_access_token_instead_of_returning_a_guest_cart() {
    let (shop, added) = shop().await;
    let request = shop.post("/api/cart/add", json!({"productId": 3})).header("x-cart-token", "guest");
    request.bearer_auth("nonsense").answer().await.problem(401, "invalid_token");
    assert_eq!(added.count(), 0);
}

#[tokio::test]
async fn every_change_returns_the_cart() {
    let shop = Shop::open().await;
    let set = shop.cart.on("SetItem", |_: SetItemRequest| Ok(SetItemResponse { cart: two_mugs() }));
    let removed =
        shop.cart.on("RemoveItem", |_: RemoveItemRequest| Ok(RemoveItemResponse { cart: two_mugs() }));
    shop.cart.on("ClearCart", |_: ClearCartRequest| Ok(ClearCartResponse { cart: Some(Cart::default()) }));
    let send = |method: Method, path: &'static str, body| {
        let request = shop.request(method, path).header("x-cart-token", "guest").json(&body);
        async move { request.answer().await }
    };
    for method in [Method::PUT, Method::PATCH] {
        let answer = send(method, "/api/cart/items/3", json!({"quantity": 0})).await;
        assert_eq!((answer.status, &answer.json()["totalPrice"]), (200, &json!(25.00)));
        assert_eq!(
            set.last(),
            SetItemRequest { guest_token: "guest".to_owned(), product_id: 3, quantity: 0 }
        );
    }
    for (method, path, body) in [
        (Method::DELETE, "/api/cart/items/3", json!({})),
        (Method::POST, "/api/cart/remove", json!({"productId": 3})),
        (Method::POST, "/cart/remove", json!({"product_id": 3})),
    ] {
        assert_eq!(send(method, path, body).await.json()["products"][0]["lineTotal"], 25.00, "{path}");
        assert_eq!(removed.last(), RemoveItemRequest { guest_token: "guest".to_owned(), product_id: 3 });
    }
    assert_eq!(removed.count(), 3);
    let empty = send(Method::DELETE, "/api/cart", json!({})).await;
    let expected =
        json!({"products": [], "totalPrice": 0.0, "currency": "USD", "count": 0, "updatedAt": null});
    assert_eq!((empty.status, empty.json()), (200, expected));
}

#[tokio::test]
async fn returns_404_for_an_unknown_cart_token() {
    let shop = Shop::open().await;
    shop.cart.on("GetCart", |_: GetCartRequest| {
        Err::<GetCartResponse, _>(status::rejected(Code::NotFound, "cart_not_found", "no such cart"))
    });
    let request = shop.get("/api/cart").header("x-cart-token", "unknown");
    request.answer().await.problem(404, "cart_not_found");
    let request = shop.get("/api/cart").header("x-cart-token", "\u{e9}");
    assert_eq!(request.answer().await.refused_field(400, "malformed_request"), "X-Cart-Token");
}

#[tokio::test]
async fn names_a_malformed_product_id_in_the_path() {
    let shop = Shop::open().await;
    for path in ["/api/cart/items/mug", "/api/cart/items/2147483648", "/api/cart/items/1.0"] {
        let answer = shop.request(Method::DELETE, path).answer().await;
        assert_eq!(answer.refused_field(400, "malformed_request"), "productId", "{path}");
    }
}

#[tokio::test]
async fn the_legacy_cart_requires_an_access_token() {
    let (shop, added) = shop().await;
    for (method, path) in [
        (Method::POST, "/cart"),
        (Method::GET, "/cart"),
        (Method::PUT, "/cart/3"),
        (Method::DELETE, "/cart/3"),
    ] {
        let request = shop.request(method, path).header("x-cart-token", "guest").json(&json!({}));
        request.answer().await.problem(401, "unauthenticated");
    }
    assert_eq!(added.count(), 0);

    let request =
        shop.post("/cart", json!({"productId": 3, "quantity": 2})).bearer_auth(shop.identity.user());
    let line = json!({
        "productId": 3, "name": "Mug", "price": 12.50, "quantity": 2, "subtotal": 25.00, "imageUrl": null
    });
    assert_eq!(request.answer().await.json(), json!({"products": [line], "totalPrice": 25.00}));
}
