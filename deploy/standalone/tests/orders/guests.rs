//! Orders of guests, from the cart to the account.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::store::{Client, Response, TestStore};

/// Places an order with an idempotency key.
async fn check_out(client: &Client, key: &str) -> Response {
    let form = json!({"contact": {"email": "guest@shop.example", "name": "Guest"}});
    client.send(client.request(Method::POST, "/api/orders").header("idempotency-key", key).json(&form)).await
}

/// A guest with units of a product in the cart.
async fn guest_with_cart(store: &TestStore, product: i64, quantity: u32) -> Client {
    let added = store.guest().add_to_cart(product, quantity).await.expect(200);
    store.guest().clone().with("x-cart-token", added.header("x-cart-token"))
}

fn path_of(order: &Value) -> String {
    format!("/api/orders/{}", order["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_guest_orders_and_claims_the_order() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let guest = guest_with_cart(&store, mug, 2).await;
    let quote = guest.post("/api/checkout/quote", json!({})).await.expect(200).json;
    assert_eq!((&quote["total"], &quote["missing"]), (&json!(39.98), &json!(["contact.email"])));
    guest.post("/api/orders", json!({})).await.expect_problem(401, "unauthenticated");
    let without_email = json!({"contact": {"name": "Guest"}});
    guest.post("/api/orders", without_email).await.expect_field_error(422, "contact.email");

    let order = check_out(&guest, "key").await.expect(201).json;
    assert_eq!((&order["userId"], &order["totalAmount"]), (&Value::Null, &json!(39.98)));
    assert_eq!(check_out(&guest, "key").await.expect(201).json["accessToken"], order["accessToken"]);
    assert_eq!(guest.cart_lines().await, []);
    assert_eq!(store.guest().get(&path_of(&order)).await.expect(401).code(), "unauthenticated");
    let bearer = store.guest().clone().with("x-order-token", order["accessToken"].as_str().unwrap());
    let opened = bearer.get(&path_of(&order)).await.expect(200).json;
    assert_eq!((&opened["id"], opened.get("accessToken")), (&order["id"], None));
    let ada = store.register("ada").await;
    ada.get(&path_of(&order)).await.expect(404);
    assert_eq!(store.admin().get("/api/admin/orders").await.items()[0]["userId"], Value::Null);
    assert_eq!(
        store.admin().get("/orders").await.expect(200).json[0]["userId"],
        "",
        "a text in the legacy API"
    );

    let claim = format!("{}/claim", path_of(&order));
    bearer.post(&claim, json!({})).await.expect(401);
    let token = order["accessToken"].as_str().unwrap();
    for _ in 0..2 {
        let claimed = ada.clone().with("x-order-token", token).post(&claim, json!({})).await.expect(200).json;
        assert_eq!(claimed["userId"], ada.id());
    }
    bearer.get(&path_of(&order)).await.expect(404);
    assert_eq!(ada.get("/api/orders").await.items().len(), 1);

    let second = check_out(&guest_with_cart(&store, mug, 1).await, "key").await.expect(201).json;
    let bearer = store.guest().clone().with("x-order-token", second["accessToken"].as_str().unwrap());
    let contact = format!("/api/admin/orders/{}/contact", second["id"].as_str().unwrap());
    store.admin().delete(&contact).await.expect(204);
    let erased = bearer.get(&path_of(&second)).await.expect(200).json;
    assert_eq!((erased.get("contact"), &erased["totalAmount"]), (None, &json!(19.99)));
    let cancelled = bearer.post(&format!("{}/cancel", path_of(&second)), json!({})).await.expect(200).json;
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(store.admin().get(&format!("/api/products/{mug}")).await.expect(200).json["stock"], 48);
    store.verify().await;
}

/// A login merges the cart while the guest orders it. `BODEGA_RACE_SEEDS` sets the number of rounds.
#[tokio::test(flavor = "multi_thread")]
async fn a_merged_cart_is_ordered_once() {
    let rounds = std::env::var("BODEGA_RACE_SEEDS").map_or(3, |seeds| seeds.parse().unwrap());
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 100_000).await;
    let pen = store.admin().create_product("Pen", "1", 100_000).await;
    let mut expected = 100_000;
    for round in 0..rounds {
        let guest = guest_with_cart(&store, mug, 2).await;
        let user = store.register(&format!("ada{round}")).await;
        user.add_to_cart(pen, 1).await.expect(200);
        let headers = guest.request(Method::GET, "/").build().unwrap().headers().clone();
        let token = headers["x-cart-token"].to_str().unwrap();
        let both = user.clone().with("x-cart-token", token);
        let pause = |factor: u64| std::time::Duration::from_micros(round * factor % 40 * 400);
        let merge = async {
            tokio::time::sleep(pause(7)).await;
            both.get("/api/cart").await.expect(200);
        };
        let by_user = async {
            tokio::time::sleep(pause(11)).await;
            user.place_order().await
        };
        let by_guest = join_all((0..2).map(async |index| {
            tokio::time::sleep(pause(13)).await;
            check_out(&guest, &format!("key {index}")).await
        }));
        tokio::join!(merge, by_user, by_guest);
        // The mugs are in the order of the guest, or in one of the user.
        let last = user.place_order().await;
        assert!([201, 409].contains(&last.status), "{last:?}");
        assert_eq!(user.cart_lines().await, [], "round {round}");
        expected -= 2;
        let stock =
            store.admin().get(&format!("/api/products/{mug}")).await.expect(200).json["stock"].clone();
        assert_eq!(stock, expected, "round {round}");
    }
    store.verify().await;
}
