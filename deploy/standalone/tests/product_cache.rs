//! Reads of products through two gateways, each with services and caches of its own, on one database.

use std::time::{Duration, Instant};

use bodega_embedded_postgres::testing::TestDatabase;
use bodega_runtime::timeouts::MAX_STALENESS;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    images::png,
    store::{self, Client, StoreOptions, TestStore},
};

/// Two stores on one database.
struct Stores {
    stores: [TestStore; 2],
    _database: TestDatabase,
}

impl Stores {
    async fn start() -> Self {
        let database = store::database().await;
        let start = || TestStore::start_on(database.url().parse().unwrap(), StoreOptions::default());
        let stores = [start().await, start().await];
        Self { stores, _database: database }
    }

    fn admin(&self) -> &Client {
        self.stores[0].admin()
    }

    fn guests(&self) -> [&Client; 2] {
        [self.stores[0].guest(), self.stores[1].guest()]
    }

    /// Makes a change while clients read through both gateways, and checks that each of them sees it in time.
    async fn assert_seen_in_time(
        &self,
        what: &str,
        paths: &[&str],
        change: impl AsyncFn(),
        is_new: fn(&Value) -> bool,
    ) {
        let warm_up = async |guest: &Client| {
            for _ in 0..5 {
                for path in paths {
                    assert!(!is_new(&guest.get(path).await.json), "{what}: {path} before the change");
                }
            }
        };
        join_all(self.guests().map(warm_up)).await;
        change().await;
        let changed = Instant::now();
        let see = async |guest: &Client| {
            for path in paths {
                loop {
                    let sent = changed.elapsed();
                    if is_new(&guest.get(path).await.json) {
                        break;
                    }
                    assert!(sent < MAX_STALENESS, "{what}: {path} is old {sent:?} after the change");
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        };
        join_all(self.guests().map(see)).await;
    }
}

/// Returns the first product of a response: of a product, of a page, or of an array.
fn first(response: &Value) -> &Value {
    let list = if response.is_array() { response } else { &response["items"] };
    if list.is_array() { &list[0] } else { response }
}

#[tokio::test]
async fn every_gateway_shows_changes_in_time() {
    let stores = Stores::start().await;
    let admin = stores.admin();
    let category = admin.post("/api/categories", json!({"name": "Kitchen"})).await.expect(201).json;
    let mug = admin.create_product("Mug", "10.00", 20).await;
    let (path, category_path) =
        (format!("/api/products/{mug}"), format!("/api/categories/{}", category["id"]));
    let legacy_path = format!("/products/{mug}");
    let paths = [path.as_str(), "/api/products?limit=5", "/products?limit=5", legacy_path.as_str()];
    let patch = async |body: Value| drop(admin.patch(&path, body).await.expect(200));

    let change = async || patch(json!({"price": 12.5})).await;
    stores.assert_seen_in_time("price", &paths, change, |json| first(json)["price"] == 12.5).await;
    let change = async || patch(json!({"categoryId": category["id"]})).await;
    stores.assert_seen_in_time("category", &paths, change, |json| !first(json)["category"].is_null()).await;
    let change = async || drop(admin.put(&category_path, json!({"name": "Home"})).await.expect(200));
    let is_new = |json: &Value| first(json)["category"]["name"] == "Home";
    stores.assert_seen_in_time("category name", &paths, change, is_new).await;
    let change = async || drop(admin.add_images(mug, &[&png()]).await.expect(201));
    stores.assert_seen_in_time("image", &paths, change, |json| !first(json)["imageUrl"].is_null()).await;
    let change = async || patch(json!({"stock": 7})).await;
    stores.assert_seen_in_time("stock", &paths[..2], change, |json| first(json)["stock"] == 7).await;

    let buyer = stores.stores[1].register("ada").await;
    let change = async || drop(buyer.buy(mug, 7).await);
    stores.assert_seen_in_time("order", &paths[..2], change, |json| first(json)["stock"] == 0).await;
    let filtered = ["/api/products?inStock=true"];
    let change = async || patch(json!({"stock": 3})).await;
    let is_new = |json: &Value| !json["items"].as_array().unwrap().is_empty();
    stores.assert_seen_in_time("in stock", &filtered, change, is_new).await;
    let change = async || drop(admin.delete(&path).await.expect(204));
    stores
        .assert_seen_in_time("archived", &paths[..1], change, |json| json["code"] == "product_not_found")
        .await;
    let lists = ["/api/products", "/products"];
    let pen = admin.create_product("Pen", "1.00", 1).await;
    let change = async || drop(admin.delete(&format!("/api/products/{pen}")).await.expect(204));
    stores.assert_seen_in_time("archived", &lists, change, |json| first(json).is_null()).await;
}

#[tokio::test]
async fn an_admin_reads_each_write_on_every_gateway() {
    let stores = Stores::start().await;
    let id = stores.admin().create_product("Mug", "10.00", 20).await;
    let path = format!("/api/products/{id}");
    let admins = [stores.stores[0].admin(), stores.stores[1].admin()];
    for round in 0..100 {
        // Guests keep the caches filled.
        join_all(stores.guests().map(|guest| guest.get(&path))).await;
        let body = json!({"stock": round, "name": format!("Mug {round}")});
        let written = admins[round % 2].patch(&path, body).await.expect(200).json;
        for admin in admins {
            assert_eq!(admin.get(&path).await.expect(200).json, written);
            let listed = admin.get("/api/products?include=variants").await.expect(200).json;
            assert_eq!(listed["items"][0], written);
        }
    }
}

#[tokio::test]
async fn a_gateway_shows_no_stock_that_is_older_than_its_own_orders() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "10.00", 50).await;
    let ada = store.register("ada").await;
    let path = format!("/api/products/{mug}");
    for bought in 1..=20 {
        store.guest().get(&path).await.expect(200);
        store.guest().get("/api/products").await.expect(200);
        let order = ada.buy(mug, 2).await;
        let stock = 50 - bought;
        let shown = async || {
            let product = store.guest().get(&path).await.expect(200).json;
            let page = store.guest().get("/api/products").await.expect(200).json;
            (product["stock"].as_i64().unwrap(), page["items"][0]["stock"].as_i64().unwrap())
        };
        assert_eq!(shown().await, (stock - 1, stock - 1), "after the order");
        if bought % 2 == 0 {
            ada.post_empty(&format!("/api/orders/{}/cancel", order["id"].as_str().unwrap()))
                .await
                .expect(200);
            assert_eq!(shown().await, (stock + 1, stock + 1), "after the cancellation");
            store.admin().patch(&path, json!({"stock": stock})).await.expect(200);
        } else {
            store.admin().patch(&path, json!({"stock": stock})).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_cart_shows_current_names_prices_and_images() {
    let stores = Stores::start().await;
    let admin = stores.admin();
    let mug = admin.create_product("Mug", "10.00", 20).await;
    let path = format!("/api/products/{mug}");
    let ada = stores.stores[1].register("ada").await;
    ada.add_to_cart(mug, 2).await.expect(200);
    for round in 1..=10 {
        for _ in 0..3 {
            ada.get("/api/cart").await.expect(200);
        }
        let name = format!("Mug {round}");
        admin
            .patch(&path, json!({"name": name, "price": round, "imageUrl": format!("/{round}.png")}))
            .await
            .expect(200);
        let changed = Instant::now();
        loop {
            let sent = changed.elapsed();
            let item = &ada.get("/api/cart").await.expect(200).json["products"][0];
            if item["name"] == name.as_str() {
                assert_eq!(item["price"], f64::from(round));
                assert_eq!(item["imageUrl"], format!("/{round}.png"));
                break;
            }
            assert!(sent < MAX_STALENESS, "the cart is old {sent:?} after the change");
        }
    }
}

/// The product and the page have the same `ETag` whether they are read from the cache or from the catalog.
#[tokio::test]
async fn the_cache_does_not_change_responses() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "10.00", 20).await;
    for path in [format!("/api/products/{mug}"), "/api/products?limit=1".to_owned(), "/products".to_owned()] {
        let read = store.admin().get(&path).await.expect(200);
        for _ in 0..3 {
            let cached = store.guest().get(&path).await.expect(200);
            assert_eq!((&cached.json, cached.header("etag")), (&read.json, read.header("etag")), "{path}");
            let request = store.guest().request(reqwest::Method::GET, &path);
            let unmodified = store.guest().send(request.header("if-none-match", read.header("etag"))).await;
            assert_eq!(unmodified.expect(304).header("etag"), read.header("etag"));
        }
    }
}
