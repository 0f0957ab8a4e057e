//! Products with several variants, from their declaration to the order.

use std::time::Instant;

use bodega_runtime::timeouts::MAX_STALENESS;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::harness::{
    responses::{CART_LINE, VARIANT, assert_fields},
    store::{Client, TestStore},
};

/// Creates a shirt in three sizes with this stock each, for 20, 21 and 22; returns it.
async fn shirt(admin: &Client, stock: u32) -> Value {
    let id = admin.create_product("Shirt", "20", stock).await;
    let variants = [("S", 20), ("M", 21), ("L", 22)].map(|(size, price)| {
        json!({"sku": format!("SHIRT-{size}"), "options": {"Size": size}, "price": price, "stock": stock, "weight": 200})
    });
    let body = json!({"options": ["Size"], "variants": variants});
    admin.put(&format!("/api/products/{id}/variants"), body).await.expect(200).json
}

fn ids(product: &Value) -> Vec<i64> {
    let variants = product["variants"].as_array().unwrap();
    variants.iter().map(|variant| variant["id"].as_i64().unwrap()).collect()
}

async fn add(client: &Client, body: Value) -> Value {
    client.post("/api/cart/add", body).await.expect(200).json
}

#[tokio::test]
async fn sells_the_variants_of_a_product() {
    let store = TestStore::start().await;
    let shirt = shirt(store.admin(), 5).await;
    let path = format!("/api/products/{}", shirt["id"]);
    assert_eq!((&shirt["price"], &shirt["priceMax"]), (&json!(20.0), &json!(22.0)));
    assert_eq!((&shirt["stock"], &shirt["options"]), (&json!(15), &json!(["Size"])));
    shirt["variants"].as_array().unwrap().iter().for_each(|variant| assert_fields(variant, VARIANT));
    assert_eq!(store.guest().get(&path).await.expect(200).json, shirt);
    let [small, medium, _] = ids(&shirt)[..] else { panic!("{shirt}") };
    assert_eq!(small, shirt["id"].as_i64().unwrap());

    let ada = store.register("ada").await;
    let missing = ada.add_to_cart(small, 1).await.expect_problem(422, "variant_required");
    assert_eq!(missing.error_fields(), ["variantId"]);
    add(&ada, json!({"productId": small, "variantId": small, "quantity": 2})).await;
    let cart = add(&ada, json!({"variantId": medium})).await;
    let line = &cart["products"][1];
    assert_fields(line, CART_LINE);
    assert_eq!((&line["productId"], &line["variantId"]), (&json!(small), &json!(medium)));
    assert_eq!((&line["sku"], &line["variantName"]), (&json!("SHIRT-M"), &json!("M")));
    assert_eq!(cart["totalPrice"], json!(61.0));
    let order = ada.place_order().await.expect(201).json;
    assert_eq!(order["totalAmount"], json!(61.0));

    // Through the same gateway the stock is that after the order.
    let product = store.guest().get(&path).await.expect(200).json;
    let stocks: Vec<_> =
        product["variants"].as_array().unwrap().iter().map(|it| it["stock"].clone()).collect();
    assert_eq!(
        (&product["stock"], stocks.as_slice()),
        (&json!(12), [json!(3), json!(4), json!(5)].as_slice())
    );
    store.verify().await;
}

#[tokio::test]
async fn the_older_routes_work_while_a_product_has_one_variant() {
    let store = TestStore::start().await;
    let shirt = shirt(store.admin(), 5).await;
    let id = shirt["id"].as_i64().unwrap();
    for path in ["/api/products", "/products"] {
        let path = format!("{path}/{id}");
        let method = if path.starts_with("/api") { reqwest::Method::PATCH } else { reqwest::Method::PUT };
        for body in [json!({"price": 5}), json!({"quantity": 5})] {
            let request = store.admin().request(method.clone(), &path).json(&body);
            store.admin().send(request).await.expect_problem(409, "has_variants");
        }
        let request = store.admin().request(method, &path).json(&json!({"name": "Tee"}));
        store.admin().send(request).await.expect(200);
    }
    let one = json!({"variants": [{"id": id, "price": 20, "stock": 5}]});
    store.admin().put(&format!("/api/products/{id}/variants"), one).await.expect(200);
    store.admin().patch(&format!("/api/products/{id}"), json!({"price": 7, "stock": 3})).await.expect(200);
    let ada = store.register("ada").await;
    ada.buy(id, 3).await;
    assert_eq!(store.admin().stock_of(id).await, 0);
    store.verify().await;
}

#[tokio::test]
async fn buyers_of_three_variants_get_each_unit_once() {
    let store = TestStore::start().await;
    let shirt = shirt(store.admin(), 4).await;
    let variants = ids(&shirt);
    let buy = async |index: usize| {
        let buyer = store.register(&format!("buyer{index}")).await;
        add(&buyer, json!({"variantId": variants[index % 3]})).await;
        buyer.place_order().await.status
    };
    // Few enough that no request waits for too long.
    let statuses: Vec<_> = stream::iter(0..24).map(buy).buffer_unordered(4).collect().await;
    let count = |status| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((count(201), count(409)), (12, 12), "{statuses:?}");
    assert_eq!(store.admin().stock_of(variants[0]).await, 0);
    store.verify().await;
}

#[tokio::test]
async fn an_order_names_the_variant_that_was_archived_during_the_checkout() {
    let store = TestStore::start().await;
    let shirt = shirt(store.admin(), 5).await;
    let [small, medium, large] = ids(&shirt)[..] else { panic!("{shirt}") };
    let ada = store.register("ada").await;
    add(&ada, json!({"variantId": medium})).await;
    add(&ada, json!({"variantId": large})).await;
    let path = format!("/api/products/{small}/variants");
    let rest = json!({"options": ["Size"], "variants": [
        {"id": small, "options": {"Size": "S"}, "price": 20}, {"id": large, "options": {"Size": "L"}, "price": 22}
    ]});
    store.admin().put(&path, rest).await.expect(200);
    let rejected = ada.place_order().await.expect_problem(409, "out_of_stock");
    assert_eq!(rejected.error_fields(), [format!("products[{medium}]")]);
    let detail = rejected.json["detail"].as_str().unwrap();
    assert!(detail.contains("Shirt (M)") && !detail.contains("Shirt (L)"), "{detail}");
    store.verify().await;
}

#[tokio::test]
async fn orders_during_declarations_get_their_variant_or_its_name() {
    let store = TestStore::start().await;
    let shirt = shirt(store.admin(), 50).await;
    let [small, medium, _] = ids(&shirt)[..] else { panic!("{shirt}") };
    let declare = async |sells_medium: bool| {
        let mut sizes = vec![json!({"id": small, "options": {"Size": "S"}, "price": 20})];
        if sells_medium {
            sizes.push(json!({"id": medium, "options": {"Size": "M"}, "price": 21}));
        }
        let body = json!({"options": ["Size"], "variants": sizes});
        store.admin().put(&format!("/api/products/{small}/variants"), body).await.expect(200);
    };
    let buy = async |index: usize| {
        let buyer = store.register(&format!("buyer{index}")).await;
        let added = buyer.post("/api/cart/add", json!({"variantId": medium})).await;
        if added.status == 404 {
            return 0;
        }
        let response = buyer.place_order().await;
        if response.status == 201 {
            return 1;
        }
        let rejected = response.expect_problem(409, "out_of_stock");
        assert!(rejected.json["detail"].as_str().unwrap().contains("Shirt (M)"), "{}", rejected.json);
        0
    };
    let declarations = async {
        for index in 0..10 {
            declare(index % 2 == 1).await;
        }
    };
    let purchases = stream::iter(0..20).map(buy).buffer_unordered(3).collect::<Vec<_>>();
    let (bought, ()) = tokio::join!(purchases, declarations);
    declare(true).await;
    let product = store.guest().get(&format!("/api/products/{small}")).await.expect(200).json;
    let bought: i64 = bought.iter().sum();
    assert_eq!(product["variants"][1]["stock"], json!(50 - bought));
    store.verify().await;
}

#[tokio::test]
async fn a_gateway_shows_a_changed_variant_in_time() {
    let store = TestStore::start().await;
    let shirt = shirt(store.admin(), 5).await;
    let (path, variants) = (format!("/api/products/{}", shirt["id"]), ids(&shirt));
    store.guest().get(&path).await.expect(200);
    let ada = store.register("ada").await;
    add(&ada, json!({"variantId": variants[2]})).await;
    let patch = json!({"price": 30, "stock": 1});
    store.admin().patch(&format!("/api/variants/{}", variants[2]), patch).await.expect(200);
    let changed = Instant::now();
    loop {
        let sent = changed.elapsed();
        let product = store.guest().get(&path).await.expect(200).json;
        let cart = ada.get("/api/cart").await.expect(200).json;
        let shown = (&product["priceMax"], &product["stock"], &cart["totalPrice"]);
        if shown == (&json!(30.0), &json!(11), &json!(30.0)) {
            break;
        }
        assert!(sent < MAX_STALENESS, "{shown:?} {sent:?} after the change");
    }
}
