//! A purchase without a payment provider, through `/api` and through the route aliases.

use serde_json::json;

use crate::harness::{
    responses::{CART, CART_LINE, ORDER, ORDER_LINE, PRODUCT_WITH_VARIANTS, assert_fields, pluck},
    store::{Client, PASSWORD, TestStore},
};

/// The paths under `/api`.
const API_PATHS: [&str; 6] = [
    "/api/auth/register",
    "/api/auth/login",
    "/api/products",
    "/api/cart/add",
    "/api/cart/remove",
    "/api/orders",
];
/// The route aliases at the root; products have the field names of the legacy API there.
const ALIASES: [&str; 6] =
    ["/auth/register", "/auth/login", "/api/products", "/cart/add", "/cart/remove", "/orders"];

/// Runs the whole purchase.
async fn purchase(
    store: &TestStore,
    [register, login, products, add, remove, orders]: [&str; 6],
    name: &str,
) {
    let (admin, guest) = (store.admin(), store.guest());
    // The user registers and signs in.
    let email = format!("{name}@shop.example");
    let body = json!({"name": name, "email": email, "password": PASSWORD});
    guest.post(register, body).await.expect(201);
    let body = json!({"email": email, "password": PASSWORD});
    let user: Client = guest.clone().signed_in(guest.post(login, body).await.expect(200).json);
    // An admin creates products.
    let body = json!({"name": "Mug", "description": "Holds 300 ml.", "price": 19.99, "stock": 5});
    let mug = admin.post(products, body).await.expect(201).json;
    assert_fields(&mug, PRODUCT_WITH_VARIANTS);
    let pot = admin.create_product("Pot", "45", 5).await;
    // A guest lists the products.
    assert_eq!(pluck(guest.get(products).await.expect(200).items(), "name")[..2], ["Pot", "Mug"]);
    assert_eq!(guest.get(&format!("{products}/{}", mug["id"])).await.expect(200).json, mug);
    // The user adds products to the cart, and removes one.
    user.post(add, json!({"productId": pot})).await.expect(200);
    let cart = user.post(add, json!({"productId": mug["id"], "quantity": 2})).await.expect(200).json;
    assert_fields(&cart, CART);
    assert_fields(&cart["products"][0], CART_LINE);
    let cart = user.post(remove, json!({"productId": pot})).await.expect(200).json;
    assert_fields(&cart, CART);
    // The cart has the other product.
    assert_eq!(user.get("/api/cart").await.expect(200).json, cart);
    assert_eq!(pluck(cart["products"].as_array().unwrap(), "productId"), [&mug["id"]]);
    // The user places the order, which empties the cart.
    let placed = user.post_empty(orders).await.expect(201);
    let order = &placed.json;
    assert_fields(order, ORDER);
    assert_fields(&order["products"][0], ORDER_LINE);
    assert_eq!((&order["totalAmount"], &order["status"]), (&json!(39.98), &json!("pending")));
    assert_eq!(user.cart_lines().await, []);
    // The admin sets the status of the order.
    let path = format!("{orders}/{}", order["id"].as_str().unwrap());
    let shipped = format!("{ORDER} shipments");
    for (status, fields) in [("paid", ORDER), ("shipped", &shipped)] {
        let updated = admin.patch(&path, json!({"status": status})).await.expect(200).json;
        assert_fields(&updated, fields);
        assert_eq!(updated["status"], status);
    }
    // The user's order history has the order.
    let history = user.get("/api/orders").await.expect(200);
    assert_eq!(pluck(history.items(), "id"), [&order["id"]]);
    assert_eq!(history.items()[0]["status"], "shipped");
}

#[tokio::test]
async fn a_purchase_works_through_both_sets_of_paths() {
    let store = TestStore::start().await;
    purchase(&store, API_PATHS, "ada").await;
    purchase(&store, ALIASES, "grace").await;
    store.verify().await;
}

/// `GET /orders` is the legacy list of all orders, for admins only.
#[tokio::test]
async fn the_order_lists_of_both_apis_differ() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let (ada, grace) = (store.register("ada").await, store.register("grace").await);
    ada.buy(mug, 1).await;
    grace.buy(mug, 1).await;
    assert_eq!(ada.get("/api/orders").await.expect(200).items().len(), 1);
    ada.get("/orders").await.expect_problem(403, "admin_only");
    assert_eq!(store.admin().get("/orders").await.expect(200).items().len(), 2);
    assert_eq!(store.admin().get("/api/orders").await.expect(200).items().len(), 0, "the admin's own");
}

#[tokio::test]
async fn admins_add_products_and_update_stock() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 0).await;
    let ada = store.register("ada").await;
    ada.add_to_cart(mug, 1).await.expect(200);
    ada.place_order().await.expect_problem(409, "out_of_stock");
    store.admin().patch(&format!("/api/products/{mug}"), json!({"stock": 1})).await.expect(200);
    ada.place_order().await.expect(201);
    assert_eq!(ada.stock_of(mug).await, 0);
    store.verify().await;
}
