//! Many at once: nothing is oversold, nothing ordered twice, nothing lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt as _, future::join_all, stream};
use serde_json::{Value, json};

use crate::harness::store::{PASSWORD, Person, Response, Shop, in_the_end};

/// Connections a service has in these tests: some, as in earnest.
const CONNECTIONS: u32 = 10;
/// How many sign up at once; hashing passwords is bounded.
const SIGN_UPS: usize = 8;

async fn open() -> Shop {
    Shop::start_with(CONNECTIONS).await
}

async fn buyers(shop: &Shop, count: usize) -> Vec<Person> {
    let names = (0..count).map(|index| format!("buyer{index}"));
    stream::iter(names)
        .map(async |name| shop.register(&name).await)
        .buffer_unordered(SIGN_UPS)
        .collect()
        .await
}

/// How many answers there are of each status and code.
fn tally(answers: &[Response]) -> BTreeMap<(u16, &str), usize> {
    let mut tally = BTreeMap::new();
    for answer in answers {
        *tally.entry((answer.status, answer.code())).or_default() += 1;
    }
    tally
}

fn order_ids(answers: &[Response]) -> BTreeSet<&str> {
    answers
        .iter()
        .filter(|answer| answer.status == 201)
        .filter_map(|answer| answer.json["id"].as_str())
        .collect()
}

#[tokio::test]
async fn two_hundred_buyers_get_fifty_units_and_not_one_more() {
    let shop = open().await;
    let (mug, spoon) = (
        shop.admin().create_product("Mug", "9.50", 50).await,
        shop.admin().create_product("Spoon", "1", 50).await,
    );
    let buyers = buyers(&shop, 200).await;
    // Half of them put the two into the cart the other way round.
    let filled =
        stream::iter(buyers.iter().enumerate()).for_each_concurrent(SIGN_UPS, async |(index, buyer)| {
            let (first, second) = if index % 2 == 0 { (mug, spoon) } else { (spoon, mug) };
            buyer.add_to_cart(first, 1).await.expect(200);
            buyer.add_to_cart(second, 1).await.expect(200);
        });
    filled.await;

    // They are more than the database has connections for, so some have to come back.
    let orders = buyers
        .iter()
        .map(async |buyer| in_the_end(async || buyer.place_order_with_key("checkout").await).await);
    let answers = join_all(orders).await;

    assert_eq!(tally(&answers), BTreeMap::from([((201, ""), 50), ((409, "out_of_stock"), 150)]));
    assert_eq!(order_ids(&answers).len(), 50);
    assert_eq!((shop.admin().stock_of(mug).await, shop.admin().stock_of(spoon).await), (0, 0));
    shop.verify().await;
}

/// Hashing two hundred passwords takes longer than a request may: whoever would wait too long is told when to come back,
/// and everybody gets in who does.
#[tokio::test]
async fn two_hundred_who_sign_up_at_once_all_get_in_if_they_come_back_when_told() {
    let shop = Shop::start_in_earnest().await;
    let sent_away = join_all((0..200).map(async |index| {
        let name = format!("buyer{index}");
        let body = json!({"name": name, "email": format!("{name}@shop.example"), "password": PASSWORD});
        let (mut sent_away, mut open) = (0, false);
        loop {
            let answer = shop.guest().post("/api/auth/register", body.clone()).await;
            match (answer.status, answer.code()) {
                (201, _) => return sent_away,
                // Made by the attempt before, whose answer did not come in time.
                (409, "email_taken") if open => return sent_away,
                (429, "too_busy") | (503, _) => {}
                _ => panic!("{answer:?}"),
            }
            sent_away += 1;
            open |= answer.status == 503 && answer.code() != "overloaded";
            let pause = answer.header("retry-after").parse().expect("told when to come back");
            assert!((1..=3).contains(&pause), "{answer:?}");
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
    }));
    let sent_away = tokio::time::timeout(Duration::from_secs(120), sent_away).await.expect("all get in");
    assert!(sent_away.iter().any(|times| *times > 0), "more than can be hashed in time");
    shop.guest().sign_in("buyer199@shop.example").await;
}

#[tokio::test]
async fn one_cart_submitted_forty_times_under_different_keys_is_one_order() {
    let shop = open().await;
    let mug = shop.admin().create_product("Mug", "9.50", 100).await;
    let ada = shop.register("ada").await;
    ada.add_to_cart(mug, 2).await.expect(200);

    let keys: Vec<_> = (0..40).map(|key| format!("key-{key}")).collect();
    let answers = join_all(keys.iter().map(|key| ada.place_order_with_key(key))).await;

    assert_eq!(order_ids(&answers).len(), 1, "{answers:?}");
    // Who came when the cart had been emptied is told so; all others got the one order.
    let others = tally(&answers).into_keys().filter(|answer| *answer != (201, "")).collect::<Vec<_>>();
    assert!(others.is_empty() || others == [(409, "empty_cart")], "{others:?}");
    assert_eq!(ada.get("/api/orders").await.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(shop.admin().stock_of(mug).await, 98);
    shop.verify().await;
}

#[tokio::test]
async fn one_key_has_one_answer() {
    let shop = open().await;
    let mug = shop.admin().create_product("Mug", "9.50", 100).await;
    let ada = shop.register("ada").await;
    ada.add_to_cart(mug, 2).await.expect(200);

    let answers = join_all((0..20).map(|_| ada.place_order_with_key("checkout-1"))).await;

    assert_eq!(tally(&answers), BTreeMap::from([((201, ""), 20)]));
    assert_eq!(order_ids(&answers).len(), 1);
    assert_eq!(shop.admin().stock_of(mug).await, 98);
}

#[tokio::test]
async fn fifty_parallel_adds_add_up_to_fifty() {
    let shop = open().await;
    let mug = shop.admin().create_product("Mug", "9.50", 100).await;
    let ada = shop.register("ada").await;

    let answers = join_all((0..50).map(|_| ada.add_to_cart(mug, 1))).await;

    assert_eq!(tally(&answers), BTreeMap::from([((200, ""), 50)]));
    let cart = ada.get("/api/cart").await.expect(200).json;
    assert_eq!((&cart["count"], &cart["products"][0]["quantity"]), (&50.into(), &50.into()));
}

#[tokio::test]
async fn an_order_cancelled_fifty_times_gives_its_stock_back_once() {
    let shop = open().await;
    let mug = shop.admin().create_product("Mug", "9.50", 10).await;
    let ada = shop.register("ada").await;
    let order = ada.buy(mug, 4).await;
    let path = format!("/api/orders/{}/cancel", order["id"].as_str().unwrap());

    let answers = join_all((0..50).map(|_| ada.post(&path, Value::Null))).await;

    assert_eq!(tally(&answers), BTreeMap::from([((200, ""), 1), ((409, "invalid_transition"), 49)]));
    assert_eq!(shop.admin().stock_of(mug).await, 10);
    shop.verify().await;
}

#[tokio::test]
async fn shoppers_who_do_everything_at_once_leave_the_books_in_order() {
    let shop = open().await;
    let goods: Vec<_> = stream::iter(0..4)
        .then(async |index| shop.admin().create_product(&format!("Thing {index}"), "3.30", 30).await)
        .collect()
        .await;
    let shoppers = buyers(&shop, 16).await;
    let sprees = shoppers.iter().enumerate().map(async |(who, shopper)| {
        for round in 0..6 {
            let (one, two) = (goods[(who + round) % 4], goods[(who * 3 + round + 1) % 4]);
            let (added, more) = tokio::join!(shopper.add_to_cart(one, 2), shopper.add_to_cart(two, 1));
            assert_eq!((added.status, more.status), (200, 200), "{added:?} {more:?}");
            // A change of the cart races with two checkouts of it.
            let (first, second, _) =
                tokio::join!(shopper.place_order(), shopper.place_order(), shopper.add_to_cart(one, 1));
            for placed in [&first, &second] {
                assert!(matches!(placed.status, 201 | 409), "{placed:?}");
            }
            if round % 2 == 0 && first.status == 201 {
                let path = format!("/api/orders/{}/cancel", first.json["id"].as_str().unwrap());
                shopper.post(&path, Value::Null).await.expect(200);
            }
            if first.code() == "out_of_stock" {
                shopper.delete("/api/cart").await.expect(200);
            }
        }
    });
    // Meanwhile the shelves are filled up, by absolute amounts.
    let refill = async {
        for round in 0..6 {
            let path = format!("/api/products/{}", goods[round % 4]);
            shop.admin().patch(&path, serde_json::json!({"stock": 25})).await.expect(200);
        }
    };
    tokio::join!(join_all(sprees), refill);
    shop.verify().await;
}
