//! Items of a user's cart.

use futures_util::{StreamExt as _, future::join_all, stream};
use serde_json::{Value, json};

use crate::harness::{
    responses::{CART, CART_LINE, assert_fields, pluck},
    store::TestStore,
};

#[tokio::test]
async fn adding_increases_an_existing_line_or_creates_one() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let pot = store.admin().create_product("Pot", "45", 50).await;
    let ada = store.register("ada").await;
    ada.post("/api/cart/add", json!({"productId": pot})).await.expect(200);
    ada.post("/api/cart/add", json!({"productId": mug, "quantity": 2})).await.expect(200);
    let cart = ada.post("/api/cart/add", json!({"product_id": mug, "quantity": 3})).await.expect(200);
    let line = |id: i64, name: &str, price: f64, quantity: i64, total: f64| json!({"productId": id, "name": name, "price": price, "quantity": quantity, "lineTotal": total, "imageUrl": null, "available": true, "variantId": id, "sku": null, "variantName": null});
    assert_eq!(
        cart.json["products"],
        json!([line(pot, "Pot", 45.0, 1, 45.0), line(mug, "Mug", 19.99, 5, 99.95)])
    );
    assert!(cart.text.contains(r#""totalPrice":144.95,"currency":"USD","count":6"#), "{cart:?}");
    assert_fields(&cart.json, CART);
    assert_fields(&cart.json["products"][0], CART_LINE);
    assert_eq!(ada.get("/api/cart").await.expect(200).json, cart.json);
}

/// The cart belongs to the user, not to the session.
#[tokio::test]
async fn a_cart_is_shared_between_sessions() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let (ada, grace) = (store.register("ada").await, store.register("grace").await);
    ada.add_to_cart(mug, 2).await.expect(200);
    ada.post_empty("/api/auth/logout").await.expect(204);
    assert_eq!(ada.sign_in("ada").await.cart_lines().await, [(mug, 2)]);
    assert_eq!(grace.cart_lines().await, []);
    let stored: Vec<(String, i32)> = sqlx::query_as(
        "select c.user_id::text, i.quantity from cart.carts c join cart.cart_items i on i.cart_id = c.id",
    )
    .fetch_all(&store.sql().await)
    .await
    .unwrap();
    assert_eq!(stored, [(ada.id().to_owned(), 2)]);
}

/// Lines show the current product, not the one at the time of adding.
#[tokio::test]
async fn a_cart_shows_current_products() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let ada = store.register("ada").await;
    let empty = ada.get("/api/cart").await.expect(200);
    assert_eq!(
        empty.json,
        json!({"products": [], "totalPrice": 0.0, "currency": "USD", "count": 0, "updatedAt": null})
    );
    ada.add_to_cart(mug, 3).await.expect(200);
    let patch = json!({"name": "Big Mug", "price": 25, "stock": 2, "imageUrl": "/mug.jpg"});
    store.admin().patch(&format!("/api/products/{mug}"), patch).await.expect(200);
    let cart = ada.get("/api/cart").await.expect(200).json;
    let line = &cart["products"][0];
    assert_eq!((&line["name"], &line["imageUrl"]), (&json!("Big Mug"), &json!("/mug.jpg")));
    assert_eq!(
        (&line["price"], &line["lineTotal"], &cart["totalPrice"]),
        (&json!(25.0), &json!(75.0), &json!(75.0))
    );
    assert_eq!(line["available"], false, "only 2 are left");
}

#[tokio::test]
async fn removes_a_whole_line() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let pot = store.admin().create_product("Pot", "45", 5).await;
    let ada = store.register("ada").await;
    for remove in [true, false] {
        ada.add_to_cart(mug, 3).await.expect(200);
        ada.add_to_cart(pot, 1).await.expect(200);
        let removed = if remove {
            ada.post("/api/cart/remove", json!({"product_id": mug})).await
        } else {
            ada.delete(&format!("/api/cart/items/{mug}")).await
        };
        let cart = removed.expect(200).json;
        assert_fields(&cart, CART);
        assert_eq!(pluck(cart["products"].as_array().unwrap(), "productId"), [pot]);
        let again = ada.post("/api/cart/remove", json!({"productId": mug})).await;
        again.expect_problem(404, "item_not_found");
        ada.delete(&format!("/api/cart/items/{mug}")).await.expect_problem(404, "item_not_found");
        let emptied = ada.delete("/api/cart").await.expect(200).json;
        assert_eq!(
            (&emptied["products"], &emptied["totalPrice"], &emptied["count"]),
            (&json!([]), &json!(0.0), &json!(0))
        );
        assert_eq!(ada.cart_lines().await, []);
    }
}

#[tokio::test]
async fn sets_a_quantity_and_removes_the_line_at_0() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let ada = store.register("ada").await;
    let path = format!("/api/cart/items/{mug}");
    for method in ["PUT", "PATCH"] {
        let set = async |quantity: Value| {
            let request = ada.request(method.parse().unwrap(), &path);
            ada.send(request.json(&json!({"quantity": quantity}))).await
        };
        set(json!(1)).await.expect_problem(404, "item_not_found");
        ada.add_to_cart(mug, 3).await.expect(200);
        assert_eq!(set(json!(7)).await.expect(200).json["count"], 7);
        set(json!(9_999)).await.expect(200);
        set(json!(10_000)).await.expect_field_error(422, "quantity");
        set(json!(-1)).await.expect_field_error(422, "quantity");
        assert_eq!(ada.cart_lines().await, [(mug, 9_999)]);
        assert_eq!(set(json!(0)).await.expect(200).json["products"], json!([]));
        set(json!(0)).await.expect_problem(404, "item_not_found");
    }
}

#[tokio::test]
async fn limits_quantities_and_lines() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let ada = store.register("ada").await;
    for quantity in [0, 10_000] {
        ada.add_to_cart(mug, quantity).await.expect_field_error(422, "quantity");
    }
    ada.add_to_cart(mug, 9_999).await.expect(200);
    ada.add_to_cart(mug, 1).await.expect_field_error(422, "quantity");
    ada.add_to_cart(999, 1).await.expect_problem(404, "product_not_found");
    assert_eq!(ada.cart_lines().await, [(mug, 9_999)]);

    let create = |index: i32| {
        let admin = store.admin();
        async move { admin.create_product(&format!("product {index}"), "1", 9).await }
    };
    let ids: Vec<_> = stream::iter((0..100).map(create)).buffered(8).collect().await;
    for id in &ids[..99] {
        ada.add_to_cart(*id, 1).await.expect(200);
    }
    ada.add_to_cart(ids[99], 1).await.expect_problem(409, "cart_full");
    ada.add_to_cart(ids[0], 1).await.expect(200);
    assert_eq!(ada.cart_lines().await.len(), 100);
}

#[tokio::test]
async fn concurrent_adds_are_summed() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let ada = store.register("ada").await;
    join_all((0..20).map(|_| ada.add_to_cart(mug, 1)))
        .await
        .into_iter()
        .for_each(|response| drop(response.expect(200)));
    assert_eq!(ada.cart_lines().await, [(mug, 20)]);
}
