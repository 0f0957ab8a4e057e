//! Concurrent clients: no overselling, no duplicate orders, no lost updates.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt as _, future::join_all, stream};
use serde_json::{Value, json};

use crate::harness::store::{Client, PASSWORD, Response, TestStore, retry_while_unavailable};

/// Database connections of each service.
const CONNECTIONS: u32 = 10;
/// Concurrent registrations; password hashing is limited.
const CONCURRENT_REGISTRATIONS: usize = 8;

async fn start() -> TestStore {
    TestStore::start_with_connections(CONNECTIONS).await
}

async fn buyers(store: &TestStore, count: usize) -> Vec<Client> {
    let names = (0..count).map(|index| format!("buyer{index}"));
    stream::iter(names)
        .map(async |name| store.register(&name).await)
        .buffer_unordered(CONCURRENT_REGISTRATIONS)
        .collect()
        .await
}

/// Counts responses by status and code.
fn count_by_status(responses: &[Response]) -> BTreeMap<(u16, &str), usize> {
    let mut counts = BTreeMap::new();
    for response in responses {
        *counts.entry((response.status, response.code())).or_default() += 1;
    }
    counts
}

fn order_ids(responses: &[Response]) -> BTreeSet<&str> {
    responses
        .iter()
        .filter(|response| response.status == 201)
        .filter_map(|response| response.json["id"].as_str())
        .collect()
}

#[tokio::test]
async fn never_oversells_under_concurrency() {
    let store = start().await;
    let (mug, spoon) = (
        store.admin().create_product("Mug", "9.50", 50).await,
        store.admin().create_product("Spoon", "1", 50).await,
    );
    let buyers = buyers(&store, 200).await;
    // Half of them add the two products in the opposite order.
    let filled = stream::iter(buyers.iter().enumerate()).for_each_concurrent(
        CONCURRENT_REGISTRATIONS,
        async |(index, buyer)| {
            let (first, second) = if index % 2 == 0 { (mug, spoon) } else { (spoon, mug) };
            buyer.add_to_cart(first, 1).await.expect(200);
            buyer.add_to_cart(second, 1).await.expect(200);
        },
    );
    filled.await;

    // There are more clients than connections, so some must retry.
    let orders = buyers.iter().map(async |buyer| {
        retry_while_unavailable(async || buyer.place_order_with_key("checkout").await).await
    });
    let responses = join_all(orders).await;

    assert_eq!(count_by_status(&responses), BTreeMap::from([((201, ""), 50), ((409, "out_of_stock"), 150)]));
    assert_eq!(order_ids(&responses).len(), 50);
    assert_eq!((store.admin().stock_of(mug).await, store.admin().stock_of(spoon).await), (0, 0));
    store.verify().await;
}

/// Hashing 200 passwords takes longer than the timeout of a request: registrations that would wait too long are rejected
/// with `Retry-After`, and succeed on retry.
#[tokio::test]
async fn concurrent_registrations_succeed_with_retries() {
    let store = TestStore::start_with_default_timeouts().await;
    let rejections = join_all((0..200).map(async |index| {
        let name = format!("buyer{index}");
        let body = json!({"name": name, "email": format!("{name}@shop.example"), "password": PASSWORD});
        let (mut rejections, mut may_exist) = (0, false);
        loop {
            let response = store.guest().post("/api/auth/register", body.clone()).await;
            match (response.status, response.code()) {
                (201, _) => return rejections,
                // Created by the previous attempt, whose response timed out.
                (409, "email_taken") if may_exist => return rejections,
                (429, "too_busy") | (503, _) => {}
                _ => panic!("{response:?}"),
            }
            rejections += 1;
            may_exist |= response.status == 503 && response.code() != "overloaded";
            let pause = response.header("retry-after").parse().expect("Retry-After");
            assert!((1..=3).contains(&pause), "{response:?}");
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
    }));
    let rejections = tokio::time::timeout(Duration::from_secs(120), rejections)
        .await
        .expect("all clients register in time");
    assert!(rejections.iter().any(|count| *count > 0), "some passwords cannot be hashed in time");
    store.guest().sign_in("buyer199@shop.example").await;
}

#[tokio::test]
async fn one_cart_with_many_keys_places_one_order() {
    let store = start().await;
    let mug = store.admin().create_product("Mug", "9.50", 100).await;
    let ada = store.register("ada").await;
    ada.add_to_cart(mug, 2).await.expect(200);

    let keys: Vec<_> = (0..40).map(|key| format!("key-{key}")).collect();
    let responses = join_all(keys.iter().map(|key| ada.place_order_with_key(key))).await;

    assert_eq!(order_ids(&responses).len(), 1, "{responses:?}");
    // Requests after the cart was cleared get 409; all others get the one order.
    let others =
        count_by_status(&responses).into_keys().filter(|response| *response != (201, "")).collect::<Vec<_>>();
    assert!(others.is_empty() || others == [(409, "empty_cart")], "{others:?}");
    assert_eq!(ada.get("/api/orders").await.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(store.admin().stock_of(mug).await, 98);
    store.verify().await;
}

#[tokio::test]
async fn one_key_has_one_response() {
    let store = start().await;
    let mug = store.admin().create_product("Mug", "9.50", 100).await;
    let ada = store.register("ada").await;
    ada.add_to_cart(mug, 2).await.expect(200);

    let responses = join_all((0..20).map(|_| ada.place_order_with_key("checkout-1"))).await;

    assert_eq!(count_by_status(&responses), BTreeMap::from([((201, ""), 20)]));
    assert_eq!(order_ids(&responses).len(), 1);
    assert_eq!(store.admin().stock_of(mug).await, 98);
}

#[tokio::test]
async fn concurrent_adds_are_summed() {
    let store = start().await;
    let mug = store.admin().create_product("Mug", "9.50", 100).await;
    let ada = store.register("ada").await;

    let responses = join_all((0..50).map(|_| ada.add_to_cart(mug, 1))).await;

    assert_eq!(count_by_status(&responses), BTreeMap::from([((200, ""), 50)]));
    let cart = ada.get("/api/cart").await.expect(200).json;
    assert_eq!((&cart["count"], &cart["products"][0]["quantity"]), (&50.into(), &50.into()));
}

#[tokio::test]
async fn concurrent_cancellations_return_stock_once() {
    let store = start().await;
    let mug = store.admin().create_product("Mug", "9.50", 10).await;
    let ada = store.register("ada").await;
    let order = ada.buy(mug, 4).await;
    let path = format!("/api/orders/{}/cancel", order["id"].as_str().unwrap());

    let responses = join_all((0..50).map(|_| ada.post(&path, Value::Null))).await;

    assert_eq!(count_by_status(&responses), BTreeMap::from([((200, ""), 50)]));
    let order = ada.get(&path.replace("/cancel", "")).await.expect(200).json;
    assert_eq!(order["history"].as_array().map(Vec::len), Some(2), "it is cancelled once");
    assert_eq!(store.admin().stock_of(mug).await, 10);
    store.verify().await;
}

#[tokio::test]
async fn mixed_concurrent_requests_keep_the_data_consistent() {
    let store = start().await;
    let products: Vec<_> = stream::iter(0..4)
        .then(async |index| store.admin().create_product(&format!("Thing {index}"), "3.30", 30).await)
        .collect()
        .await;
    let clients = buyers(&store, 16).await;
    let requests = clients.iter().enumerate().map(async |(index, client)| {
        for round in 0..6 {
            let (one, two) = (products[(index + round) % 4], products[(index * 3 + round + 1) % 4]);
            let (added, more) = tokio::join!(client.add_to_cart(one, 2), client.add_to_cart(two, 1));
            assert_eq!((added.status, more.status), (200, 200), "{added:?} {more:?}");
            // A change of the cart races with two checkouts.
            let (first, second, _) =
                tokio::join!(client.place_order(), client.place_order(), client.add_to_cart(one, 1));
            for placed in [&first, &second] {
                assert!(matches!(placed.status, 201 | 409), "{placed:?}");
            }
            if round % 2 == 0 && first.status == 201 {
                let path = format!("/api/orders/{}/cancel", first.json["id"].as_str().unwrap());
                client.post(&path, Value::Null).await.expect(200);
            }
            if first.code() == "out_of_stock" {
                client.delete("/api/cart").await.expect(200);
            }
        }
    });
    // Meanwhile an admin sets the stock to absolute values.
    let refill = async {
        for round in 0..6 {
            let path = format!("/api/products/{}", products[round % 4]);
            store.admin().patch(&path, serde_json::json!({"stock": 25})).await.expect(200);
        }
    };
    tokio::join!(join_all(requests), refill);
    store.verify().await;
}
