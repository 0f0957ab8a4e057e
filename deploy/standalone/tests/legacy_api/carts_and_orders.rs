//! Carts and orders in the legacy API.

use serde_json::json;

use crate::harness::{
    responses::{assert_fields, pluck},
    store::{TestStore, email_of},
};

const CART: &str = "products totalPrice";
const CART_LINE: &str = "productId name price quantity subtotal imageUrl";
const ORDER: &str = "orderId userId products totalPrice status createdAt updatedAt";
const ORDER_LINE: &str = "productId name price quantity";

#[tokio::test]
async fn adds_shows_updates_and_removes_cart_items() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let pot = store.admin().create_product("Pot", "0.1", 50).await;
    let ada = store.register("ada").await;
    assert_eq!(ada.get("/cart").await.expect(200).json, json!({"products": [], "totalPrice": 0.0}));

    ada.post("/cart", json!({"productId": mug})).await.expect(200);
    ada.post("/cart", json!({"productId": pot, "quantity": 3})).await.expect(200);
    let cart = ada.post("/cart", json!({"productId": mug, "quantity": 2})).await.expect(200);
    assert_fields(&cart.json, CART);
    let line = &cart.json["products"][0];
    assert_fields(line, CART_LINE);
    assert_eq!(
        *line,
        json!({"productId": mug, "name": "Mug", "price": 19.99, "quantity": 3, "subtotal": 59.97, "imageUrl": null})
    );
    assert!(
        cart.text.contains(r#""subtotal":0.30"#) && cart.text.contains(r#""totalPrice":60.27"#),
        "{cart:?}"
    );
    assert_eq!(ada.get("/cart").await.expect(200).json, cart.json);

    let cart = ada.put(&format!("/cart/{mug}"), json!({"quantity": 1})).await.expect(200).json;
    assert_eq!((&cart["products"][0]["quantity"], &cart["totalPrice"]), (&json!(1), &json!(20.29)));
    let cart = ada.delete(&format!("/cart/{mug}")).await.expect(200).json;
    assert_eq!(pluck(cart["products"].as_array().unwrap(), "productId"), [pot]);
    let cart = ada.put(&format!("/cart/{pot}"), json!({"quantity": 0})).await.expect(200).json;
    assert_eq!(cart["products"], json!([]));

    ada.put(&format!("/cart/{pot}"), json!({"quantity": 1})).await.expect_problem(404, "item_not_found");
    ada.delete(&format!("/cart/{pot}")).await.expect_problem(404, "item_not_found");
    ada.post("/cart", json!({"productId": 999})).await.expect_problem(404, "product_not_found");
    ada.post("/cart", json!({"productId": mug, "quantity": 0})).await.expect_field_error(422, "quantity");
}

/// Legacy carts are for signed-in users only; a cart token is ignored.
#[tokio::test]
async fn carts_and_orders_require_a_token() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let token = store.guest().add_to_cart(mug, 1).await.expect(200).header("x-cart-token").to_owned();
    let guest = store.guest().clone().with("x-cart-token", &token);
    let path = format!("/cart/{mug}");
    for response in [
        guest.get("/cart").await,
        guest.post("/cart", json!({"productId": mug})).await,
        guest.put(&path, json!({"quantity": 2})).await,
        guest.delete(&path).await,
        guest.post_empty("/order").await,
        guest.get("/orders").await,
        guest.get("/order/0197f0c5-b3d8-71e2-9d43-52b8f6a0c911").await,
    ] {
        assert_eq!(response.expect_problem(401, "unauthenticated").header("www-authenticate"), "Bearer");
    }
    assert_eq!(guest.cart_lines().await, [(mug, 1)]);
}

#[tokio::test]
async fn users_place_and_read_orders() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let ada = store.register("ada").await;
    ada.post_empty("/order").await.expect_problem(409, "empty_cart");
    ada.post("/cart", json!({"productId": mug, "quantity": 2})).await.expect(200);
    let placed = ada.post_empty("/order").await.expect(201);
    let order = &placed.json;
    assert_fields(order, ORDER);
    assert_fields(&order["products"][0], ORDER_LINE);
    assert_eq!(order["userId"], ada.id());
    assert_eq!(order["products"], json!([{"productId": mug, "name": "Mug", "price": 19.99, "quantity": 2}]));
    assert!(placed.text.contains(r#""totalPrice":39.98"#), "{placed:?}");
    assert_eq!((&order["status"], &order["createdAt"]), (&json!("pending"), &order["updatedAt"]));
    let path = format!("/order/{}", order["orderId"].as_str().unwrap());
    assert_eq!(placed.header("location"), path);
    assert_eq!(ada.get("/cart").await.expect(200).json["products"], json!([]));
    assert_eq!(ada.get(&path).await.expect(200).json, *order);
    assert_eq!(store.admin().get(&path).await.expect(200).json, *order);
    store.register("grace").await.get(&path).await.expect_problem(404, "order_not_found");

    let canonical = format!("/api/orders/{}", order["orderId"].as_str().unwrap());
    for status in ["confirmed", "shipped"] {
        store.admin().patch(&canonical, json!({"status": status})).await.expect(200);
        let updated = ada.get(&path).await.expect(200).json;
        assert_eq!(updated["status"], status);
        assert!(updated["updatedAt"].as_str() > order["updatedAt"].as_str(), "{updated}");
    }
    store.verify().await;
}

#[tokio::test]
async fn only_admins_list_all_orders() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let (ada, grace) = (store.register("ada").await, store.register("grace").await);
    ada.buy(mug, 1).await;
    let order = grace.buy(mug, 2).await;
    ada.get("/orders").await.expect_problem(403, "admin_only");
    let orders = store.admin().get("/orders").await.expect(200);
    assert_eq!(pluck(orders.items(), "userId"), [grace.id(), ada.id()], "newest first");
    orders.items().iter().for_each(|order| assert_fields(order, ORDER));
    store.admin().update_order_status(&order, "paid").await.expect(200);
    let paid = store.admin().get("/orders?status=paid").await.expect(200);
    assert_eq!(pluck(paid.items(), "userId"), [grace.id()]);
}

#[tokio::test]
async fn orders_contain_products_of_categories() {
    let store = TestStore::start().await;
    let body = json!({"name": "Mug", "price": 1, "quantity": 5, "category": "Kitchen"});
    let mug = store.admin().post("/products", body).await.expect(201).json["id"].as_i64().unwrap();
    let ada = store.register("ada").await;
    ada.buy(mug, 1).await;
    ada.buy(mug, 2).await;
    ada.add_to_cart(mug, 3).await.expect(200);
    let related = "select u.email, c.name, ci.quantity, count(o.id)
        from identity.users u
        join cart.carts ca on ca.user_id = u.id join cart.cart_items ci on ci.cart_id = ca.id
        join orders.orders o on o.user_id = u.id join orders.order_items i on i.order_id = o.id
        join catalog.products p on p.id = i.product_id join catalog.categories c on c.id = p.category_id
        group by 1, 2, 3";
    let rows: Vec<(String, String, i32, i64)> =
        sqlx::query_as(related).fetch_all(&store.sql().await).await.unwrap();
    assert_eq!(rows, [(email_of("ada"), "Kitchen".to_owned(), 3, 2)]);
}
