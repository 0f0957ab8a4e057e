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
    fake_service::Calls,
    test_app::{SendRequest as _, TestApp},
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
async fn gateway() -> (TestApp, Calls<AddItemRequest>) {
    let gateway = TestApp::start().await;
    let added = gateway.cart.on("AddItem", |request: AddItemRequest| {
        let new = if request.guest_token.is_empty() { "new" } else { "" };
        Ok(AddItemResponse { cart: two_mugs(), guest_token: new.to_owned() })
    });
    (gateway, added)
}

#[tokio::test]
async fn returns_the_token_of_a_new_guest_cart_once() {
    let (gateway, added) = gateway().await;
    for path in ["/api/cart/add", "/cart/add"] {
        let first = gateway.post(path, json!({"productId": 3})).fetch().await;
        assert_eq!((first.status, first.header("x-cart-token")), (200, "new"));
        assert_eq!(first.json()["cartToken"], "new");
        assert_eq!(added.last().quantity, 1);

        let request = gateway.post(path, json!({"product_id": 3, "quantity": 2}));
        let again = request.header("x-cart-token", "old").fetch().await;
        assert!(again.headers.get("x-cart-token").is_none() && again.json().get("cartToken").is_none());
        assert_eq!((added.last().guest_token.as_str(), added.last().quantity), ("old", 2));
    }
}

#[tokio::test]
async fn merges_the_guest_cart_of_a_user_first() {
    let gateway = TestApp::start().await;
    let merged = gateway.cart.on("MergeGuestCart", |_: MergeGuestCartRequest| Ok(MergeGuestCartResponse {}));
    let got = gateway.cart.on("GetCart", |_: GetCartRequest| Ok(GetCartResponse { cart: two_mugs() }));
    let get = || gateway.get("/api/cart").bearer_auth(gateway.identity.user());

    assert_eq!(get().fetch().await.status, 200);
    assert_eq!(merged.count(), 0);
    assert_eq!(get().header("x-cart-token", "guest").fetch().await.status, 200);
    assert_eq!(merged.last().guest_token, "guest");
    assert_eq!(got.last().guest_token, "");

    gateway.cart.on("MergeGuestCart", |_: MergeGuestCartRequest| {
        Err::<MergeGuestCartResponse, _>(Status::unavailable("down"))
    });
    get().header("x-cart-token", "guest").fetch().await.problem(503, "upstream_unavailable");
}

#[tokio::test]
async fn rejects_an_invalid_access_token_instead_of_returning_a_guest_cart() {
    let (gateway, added) = gateway().await;
    let request = gateway.post("/api/cart/add", json!({"productId": 3})).header("x-cart-token", "guest");
    request.bearer_auth("nonsense").fetch().await.problem(401, "invalid_token");
    assert_eq!(added.count(), 0);
}

#[tokio::test]
async fn every_change_returns_the_cart() {
    let gateway = TestApp::start().await;
    let set = gateway.cart.on("SetItem", |_: SetItemRequest| Ok(SetItemResponse { cart: two_mugs() }));
    let removed =
        gateway.cart.on("RemoveItem", |_: RemoveItemRequest| Ok(RemoveItemResponse { cart: two_mugs() }));
    gateway.cart.on("ClearCart", |_: ClearCartRequest| Ok(ClearCartResponse { cart: Some(Cart::default()) }));
    let send = |method: Method, path: &'static str, body| {
        let request = gateway.request(method, path).header("x-cart-token", "guest").json(&body);
        async move { request.fetch().await }
    };
    for method in [Method::PUT, Method::PATCH] {
        let response = send(method, "/api/cart/items/3", json!({"quantity": 0})).await;
        assert_eq!((response.status, &response.json()["totalPrice"]), (200, &json!(25.00)));
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
    let gateway = TestApp::start().await;
    gateway.cart.on("GetCart", |_: GetCartRequest| {
        Err::<GetCartResponse, _>(status::rejected(Code::NotFound, "cart_not_found", "no such cart"))
    });
    let request = gateway.get("/api/cart").header("x-cart-token", "unknown");
    request.fetch().await.problem(404, "cart_not_found");
    let request = gateway.get("/api/cart").header("x-cart-token", "\u{e9}");
    assert_eq!(request.fetch().await.rejected_field(400, "malformed_request"), "X-Cart-Token");
}

#[tokio::test]
async fn names_a_malformed_product_id_in_the_path() {
    let gateway = TestApp::start().await;
    for path in ["/api/cart/items/mug", "/api/cart/items/2147483648", "/api/cart/items/1.0"] {
        let response = gateway.request(Method::DELETE, path).fetch().await;
        assert_eq!(response.rejected_field(400, "malformed_request"), "productId", "{path}");
    }
}

#[tokio::test]
async fn the_legacy_cart_requires_an_access_token() {
    let (gateway, added) = gateway().await;
    for (method, path) in [
        (Method::POST, "/cart"),
        (Method::GET, "/cart"),
        (Method::PUT, "/cart/3"),
        (Method::DELETE, "/cart/3"),
    ] {
        let request = gateway.request(method, path).header("x-cart-token", "guest").json(&json!({}));
        request.fetch().await.problem(401, "unauthenticated");
    }
    assert_eq!(added.count(), 0);

    let request =
        gateway.post("/cart", json!({"productId": 3, "quantity": 2})).bearer_auth(gateway.identity.user());
    let line = json!({
        "productId": 3, "name": "Mug", "price": 12.50, "quantity": 2, "subtotal": 25.00, "imageUrl": null
    });
    assert_eq!(request.fetch().await.json(), json!({"products": [line], "totalPrice": 25.00}));
}
