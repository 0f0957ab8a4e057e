//! Placing orders from the cart.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    responses::{ORDER, ORDER_LINE, assert_fields},
    store::{Client, Response, TestStore},
};

/// Places an order with an idempotency key and a body.
async fn place(client: &Client, key: &str, body: Value) -> Response {
    client.send(client.request(Method::POST, "/api/orders").header("idempotency-key", key).json(&body)).await
}

#[tokio::test]
async fn placing_an_order_copies_and_clears_the_cart() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let pot = store.admin().create_product("Pot", "0.01", 9).await;
    let ada = store.register("ada").await;
    ada.add_to_cart(pot, 3).await.expect(200);
    ada.add_to_cart(mug, 2).await.expect(200);
    let placed = ada.place_order().await.expect(201);
    let order = &placed.json;
    assert_fields(order, ORDER);
    order["products"].as_array().unwrap().iter().for_each(|line| assert_fields(line, ORDER_LINE));
    let line = |id: i64, name: &str, price: f64, quantity: i64, total: f64| json!({"productId": id, "name": name, "price": price, "quantity": quantity, "lineTotal": total, "variantId": id, "discount": 0.0, "tax": 0.0, "total": total});
    assert_eq!(
        order["products"],
        json!([line(mug, "Mug", 19.99, 2, 39.98), line(pot, "Pot", 0.01, 3, 0.03)])
    );
    assert!(
        placed.text.contains(r#""totalAmount":40.01,"currency":"USD","status":"pending","payment":null"#),
        "{placed:?}"
    );
    assert_eq!(order["userId"], ada.id());
    assert_eq!(order["history"], json!([{"status": "pending", "at": order["createdAt"]}]));
    assert_eq!(order["createdAt"], order["updatedAt"]);
    let id: uuid::Uuid = order["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(placed.header("location"), format!("/api/orders/{id}"));

    assert_eq!(ada.get(placed.header("location")).await.expect(200).json, *order);
    assert_eq!(ada.cart_lines().await, []);
    assert_eq!((ada.stock_of(mug).await, ada.stock_of(pot).await), (3, 6));
    ada.place_order().await.expect_problem(409, "empty_cart");
    store.verify().await;
}

#[tokio::test]
async fn rejects_an_empty_cart() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    ada.place_order().await.expect_problem(409, "empty_cart");
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    ada.add_to_cart(mug, 1).await.expect(200);
    ada.delete("/api/cart").await.expect(200);
    place(&ada, "a-key", json!({})).await.expect_problem(409, "empty_cart");
    assert_eq!(store.admin().get("/api/admin/orders").await.expect(200).items().len(), 0);
}

/// Every line with insufficient stock is reported with the available units, and no stock is taken.
#[tokio::test]
async fn returns_409_with_every_line_of_insufficient_stock() {
    let store = TestStore::start().await;
    let admin = store.admin();
    let mug = admin.create_product("Mug", "19.99", 2).await;
    let pot = admin.create_product("Pot", "45", 50).await;
    let lamp = admin.create_product("Lamp", "80", 0).await;
    let deleted = admin.create_product("Deleted", "1", 50).await;
    let ada = store.register("ada").await;
    for (product, quantity) in [(mug, 3), (pot, 1), (lamp, 1), (deleted, 1)] {
        ada.add_to_cart(product, quantity).await.expect(200);
    }
    admin.delete(&format!("/api/products/{deleted}")).await.expect(204);
    let cart = ada.get("/api/cart").await.expect(200).json;
    let available: Vec<_> =
        cart["products"].as_array().unwrap().iter().map(|line| &line["available"]).collect();
    assert_eq!(available, [false, true, false, false]);

    let rejected = ada.place_order().await.expect_problem(409, "out_of_stock");
    let lines = [mug, lamp, deleted].map(|id| format!("products[{id}]"));
    assert_eq!(rejected.error_fields(), lines);
    for (error, output) in [(0, "only 2 left of Mug"), (1, "none left of Lamp"), (2, "none left of Deleted")]
    {
        let message = rejected.json["errors"][error]["message"].as_str().unwrap();
        assert!(message.contains(output), "{message}");
    }
    assert_eq!((ada.stock_of(mug).await, ada.stock_of(pot).await), (2, 50));
    assert_eq!(ada.cart_lines().await.len(), 4, "the cart is unchanged");
    for list in ["/api/orders", "/api/admin/orders", "/orders"] {
        assert_eq!(
            admin.get(list).await.expect(200).items().len(),
            0,
            "a rejected attempt is not an order: {list}"
        );
    }
    for product in [lamp, deleted] {
        ada.post("/api/cart/remove", json!({"productId": product})).await.expect(200);
    }
    ada.put(&format!("/api/cart/items/{mug}"), json!({"quantity": 2})).await.expect(200);
    ada.place_order().await.expect(201);
    store.verify().await;
}

#[tokio::test]
async fn the_same_idempotency_key_returns_the_same_order() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "20", 9).await;
    let ada = store.register("ada").await;
    ada.add_to_cart(mug, 1).await.expect(200);
    let order = place(&ada, "a-key", json!({"expectedTotal": 20})).await.expect(201);
    ada.add_to_cart(mug, 2).await.expect(200);
    for body in [json!({"expectedTotal": 20}), json!({"expected_total": "20.00"})] {
        let again = place(&ada, "a-key", body).await.expect(201);
        assert_eq!((&again.json, again.header("location")), (&order.json, order.header("location")));
    }
    assert_eq!(ada.cart_lines().await, [(mug, 2)], "a retry takes no more stock");
    for body in [json!({}), json!({"expectedTotal": 40}), json!({"expectedTotal": null})] {
        place(&ada, "a-key", body).await.expect_problem(422, "idempotency_key_reused");
    }
    let grace = store.register("grace").await;
    grace.add_to_cart(mug, 1).await.expect(200);
    let other = place(&grace, "a-key", json!({})).await.expect(201).json;
    assert_ne!(other["id"], order.json["id"], "keys are scoped to a user");
    place(&ada, "another-key", json!({})).await.expect(201);
    assert_eq!(ada.stock_of(mug).await, 5);
    store.verify().await;
}

/// The requests have no key, one key, or a key each.
#[tokio::test]
async fn concurrent_submissions_of_a_cart_place_one_order() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "20", 90).await;
    let ada = store.register("ada").await;
    let keys: [fn(usize) -> Option<String>; 3] =
        [|_| None, |_| Some("one-key".to_owned()), |index| Some(format!("key-{index}"))];
    for (round, key) in (1_u32..).zip(keys) {
        ada.add_to_cart(mug, round).await.expect(200);
        let placed = join_all((0..8).map(|index| {
            let request = ada.request(Method::POST, "/api/orders");
            ada.send(match key(index) {
                Some(key) => request.header("idempotency-key", key),
                None => request,
            })
        }));
        let (placed, late): (Vec<_>, Vec<_>) =
            placed.await.into_iter().partition(|response| response.status == 201);
        // A late request without the order's key finds an empty cart.
        let is_one_key = key(0).is_some() && key(0) == key(1);
        late.into_iter().for_each(|response| {
            assert!(!is_one_key, "{response:?}");
            response.expect_problem(409, "empty_cart");
        });
        let placed: Vec<_> = placed.into_iter().map(|response| response.json).collect();
        assert!(placed.iter().all(|order| *order == placed[0]), "{placed:#?}");
        assert_eq!(placed[0]["products"][0]["quantity"], round);
        assert_eq!(ada.get("/api/orders").await.expect(200).items().len(), usize::try_from(round).unwrap());
    }
    assert_eq!(ada.stock_of(mug).await, 84);
    store.verify().await;
}

/// A different total is a 409 that lists the lines whose price changed.
#[tokio::test]
async fn returns_409_if_the_expected_total_differs() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let pot = store.admin().create_product("Pot", "45", 5).await;
    let ada = store.register("ada").await;
    ada.add_to_cart(mug, 2).await.expect(200);
    let cart = ada.add_to_cart(pot, 1).await.expect(200).json;
    store.admin().patch(&format!("/api/products/{mug}"), json!({"price": 25})).await.expect(200);

    let expected = json!({"expectedTotal": cart["totalPrice"]});
    let rejected = ada.post("/api/orders", expected.clone()).await.expect_problem(409, "price_changed");
    assert_eq!(rejected.error_fields(), [format!("products[{mug}]")]);
    let message = rejected.json["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("25.00") && message.contains("19.99"), "{message}");
    let detail = rejected.json["detail"].as_str().unwrap();
    assert!(detail.contains("95.00") && detail.contains("84.98"), "{detail}");
    ada.post("/order", expected.clone()).await.expect_problem(409, "price_changed");
    place(&ada, "a-key", expected.clone()).await.expect_problem(409, "price_changed");
    place(&ada, "a-key", expected).await.expect_problem(409, "price_changed");
    assert_eq!((ada.cart_lines().await.len(), ada.stock_of(mug).await), (2, 5));

    let cart = ada.get("/api/cart").await.expect(200).json;
    let order = ada.post("/api/orders", json!({"expectedTotal": cart["totalPrice"]})).await.expect(201).json;
    assert_eq!(order["totalAmount"], 95.0);
    store.verify().await;
}

#[tokio::test]
async fn an_order_keeps_names_and_prices() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let ada = store.register("ada").await;
    let order = ada.buy(mug, 2).await;
    let path = format!("/api/products/{mug}");
    store.admin().patch(&path, json!({"name": "Cup", "price": 1})).await.expect(200);
    let get_order =
        async || ada.get(&format!("/api/orders/{}", order["id"].as_str().unwrap())).await.expect(200).json;
    assert_eq!(get_order().await, order);
    store.admin().delete(&path).await.expect(204);
    assert_eq!(get_order().await, order);
    assert_eq!(
        store.admin().update_order_status(&order, "paid").await.expect(200).json["products"],
        order["products"]
    );
    store.verify().await;
}

#[tokio::test]
async fn the_order_body_is_optional() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 9).await;
    let ada = store.register("ada").await;
    for path in ["/api/orders", "/orders", "/order"] {
        ada.add_to_cart(mug, 1).await.expect(200);
        ada.post_empty(path).await.expect(201);
        ada.add_to_cart(mug, 1).await.expect(200);
        ada.post(path, json!({})).await.expect(201);
    }
}
