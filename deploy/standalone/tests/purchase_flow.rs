//! The end-to-end example, request by request: lines 176 to 187; the core APIs: lines 39 to 57.

use serde_json::json;

use crate::harness::{
    responses::{CART, CART_LINE, ORDER, ORDER_LINE, PRODUCT, assert_fields, pluck},
    store::{PASSWORD, Person, Shop},
};

/// Lines 41 to 57, with `/api`.
const LONG: [&str; 6] = [
    "/api/auth/register",
    "/api/auth/login",
    "/api/products",
    "/api/cart/add",
    "/api/cart/remove",
    "/api/orders",
];
/// Lines 178 to 187, without; products are written in the words of the other surface there.
const SHORT: [&str; 6] =
    ["/auth/register", "/auth/login", "/api/products", "/cart/add", "/cart/remove", "/orders"];

/// Lines 178 to 187, one after the other.
async fn walk(shop: &Shop, [register, login, products, add, remove, orders]: [&str; 6], name: &str) {
    let (admin, guest) = (shop.admin(), shop.guest());
    // 1. and 2.
    let email = format!("{name}@shop.example");
    let body = json!({"name": name, "email": email, "password": PASSWORD});
    guest.post(register, body).await.expect(201);
    let body = json!({"email": email, "password": PASSWORD});
    let user: Person = guest.clone().signed_in(guest.post(login, body).await.expect(200).json);
    // 3.
    let body = json!({"name": "Mug", "description": "Holds 300 ml.", "price": 19.99, "stock": 5});
    let mug = admin.post(products, body).await.expect(201).json;
    assert_fields(&mug, PRODUCT);
    let pot = admin.create_product("Pot", "45", 5).await;
    // 4.
    assert_eq!(pluck(guest.get(products).await.expect(200).items(), "name")[..2], ["Pot", "Mug"]);
    assert_eq!(guest.get(&format!("{products}/{}", mug["id"])).await.expect(200).json, mug);
    // 5.
    user.post(add, json!({"productId": pot})).await.expect(200);
    let cart = user.post(add, json!({"productId": mug["id"], "quantity": 2})).await.expect(200).json;
    assert_fields(&cart, CART);
    assert_fields(&cart["products"][0], CART_LINE);
    let cart = user.post(remove, json!({"productId": pot})).await.expect(200).json;
    assert_fields(&cart, CART);
    // 6.
    assert_eq!(user.get("/api/cart").await.expect(200).json, cart);
    assert_eq!(pluck(cart["products"].as_array().unwrap(), "productId"), [&mug["id"]]);
    // 7. and 8.
    let placed = user.post_nothing(orders).await.expect(201);
    let order = &placed.json;
    assert_fields(order, ORDER);
    assert_fields(&order["products"][0], ORDER_LINE);
    assert_eq!((&order["totalAmount"], &order["status"]), (&json!(39.98), &json!("pending")));
    assert_eq!(user.cart_lines().await, []);
    // 9.
    let path = format!("{orders}/{}", order["id"].as_str().unwrap());
    for status in ["paid", "shipped"] {
        let moved = admin.patch(&path, json!({"status": status})).await.expect(200).json;
        assert_fields(&moved, ORDER);
        assert_eq!(moved["status"], status);
    }
    // 10.
    let history = user.get("/api/orders").await.expect(200);
    assert_eq!(pluck(history.items(), "id"), [&order["id"]]);
    assert_eq!(history.items()[0]["status"], "shipped");
}

#[tokio::test]
async fn the_example_flow_works_as_it_is_written() {
    let shop = Shop::start().await;
    walk(&shop, LONG, "ada").await;
    walk(&shop, SHORT, "grace").await;
    shop.verify().await;
}

/// Contract, "Two REST surfaces": line 187 as it stands is what seed 000 keeps for admins.
#[tokio::test]
async fn a_users_history_is_under_api_and_everybodys_orders_at_the_root() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let (ada, grace) = (shop.register("ada").await, shop.register("grace").await);
    ada.buy(mug, 1).await;
    grace.buy(mug, 1).await;
    assert_eq!(ada.get("/api/orders").await.expect(200).items().len(), 1);
    ada.get("/orders").await.expect_problem(403, "admin_only");
    assert_eq!(shop.admin().get("/orders").await.expect(200).items().len(), 2);
    assert_eq!(shop.admin().get("/api/orders").await.expect(200).items().len(), 0, "the admin's own");
}

/// Lines 124, 125.
#[tokio::test]
async fn an_admin_adds_products_and_updates_their_stock() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 0).await;
    let ada = shop.register("ada").await;
    ada.add_to_cart(mug, 1).await.expect(200);
    ada.place_order().await.expect_problem(409, "out_of_stock");
    shop.admin().patch(&format!("/api/products/{mug}"), json!({"stock": 1})).await.expect(200);
    ada.place_order().await.expect(201);
    assert_eq!(ada.stock_of(mug).await, 0);
    shop.verify().await;
}
