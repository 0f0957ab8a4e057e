//! Order states: lines 102, 169 to 173, 186; the "Order states" section of the contract.

use serde_json::{Value, json};

use crate::harness::{
    responses::pluck,
    store::{Person, Shop},
};

const STATES: [&str; 6] = ["pending", "confirmed", "paid", "shipped", "completed", "cancelled"];

/// Every move there is.
const MOVES: [(&str, &str); 9] = [
    ("pending", "confirmed"),
    ("pending", "paid"),
    ("pending", "cancelled"),
    ("confirmed", "paid"),
    ("confirmed", "shipped"),
    ("confirmed", "cancelled"),
    ("paid", "shipped"),
    ("paid", "cancelled"),
    ("shipped", "completed"),
];

/// A way to each state.
fn way_to(state: &str) -> &'static [&'static str] {
    match state {
        "pending" => &[],
        "confirmed" => &["confirmed"],
        "paid" => &["paid"],
        "shipped" => &["paid", "shipped"],
        "completed" => &["confirmed", "shipped", "completed"],
        "cancelled" => &["cancelled"],
        state => panic!("{state}"),
    }
}

/// A new order that stands there.
async fn order_in(shop: &Shop, buyer: &Person, product: i64, state: &str) -> Value {
    let mut order = buyer.buy(product, 1).await;
    for next in way_to(state) {
        order = shop.admin().update_order_status(&order, next).await.expect(200).json;
    }
    assert_eq!(order["status"], state);
    order
}

fn path_of(order: &Value) -> String {
    format!("/api/orders/{}", order["id"].as_str().unwrap())
}

/// How many entries its history has.
fn entries(order: &Value) -> usize {
    order["history"].as_array().unwrap().len()
}

/// What its payment says: nothing, or where the money is.
fn payment_in(order: &Value) -> &str {
    order["payment"]["status"].as_str().unwrap_or("none")
}

#[tokio::test]
async fn an_order_moves_along_its_states_and_its_history_tells() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 100).await;
    let ada = shop.register("ada").await;
    for (from, to) in MOVES {
        let before = order_in(&shop, &ada, mug, from).await;
        let after = shop.admin().update_order_status(&before, to).await.expect(200).json;
        assert_eq!(after["status"], to);
        let (earlier, later) = after["history"].as_array().unwrap().split_at(entries(&before));
        assert_eq!(earlier, before["history"].as_array().unwrap(), "{from} -> {to}");
        let payments: &[Value] = match (from, to) {
            (_, "paid") => &[json!("completed")],
            ("paid", "cancelled") => &[json!("refund_pending"), json!("refunded")],
            _ => &[Value::Null],
        };
        assert_eq!(pluck(later, "payment"), payments.iter().collect::<Vec<_>>(), "{from} -> {to}");
        assert!(later.iter().all(|entry| entry["status"] == to), "{from} -> {to}: {later:?}");
        assert_eq!(later.last().unwrap()["at"], after["updatedAt"]);
        assert!(after["updatedAt"].as_str() > before["updatedAt"].as_str());
        assert_eq!(ada.get(&path_of(&before)).await.expect(200).json, after);
    }
    shop.verify().await;
}

/// Everything else is a 409 that names both states, and moves nothing.
#[tokio::test]
async fn any_other_move_is_refused_and_both_states_named() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 100).await;
    let ada = shop.register("ada").await;
    let mut refused = 0;
    for from in STATES {
        let order = order_in(&shop, &ada, mug, from).await;
        for to in STATES.into_iter().filter(|to| !MOVES.contains(&(from, to))) {
            let answers = [
                shop.admin().update_order_status(&order, to).await,
                shop.admin().patch(&path_of(&order).replace("/api", ""), json!({"status": to})).await,
            ];
            for answer in answers {
                let answer = answer.expect_problem(409, "invalid_transition");
                let detail = answer.json["detail"].as_str().unwrap();
                assert!(detail.contains(from) && detail.contains(to), "{from} -> {to}: {detail}");
            }
            refused += 1;
        }
        if !MOVES.contains(&(from, "cancelled")) {
            let answer = ada.post_nothing(&format!("{}/cancel", path_of(&order))).await;
            answer.expect_problem(409, "invalid_transition");
        }
        assert_eq!(ada.get(&path_of(&order)).await.expect(200).json, order);
    }
    assert_eq!(refused, 36 - MOVES.len());
    shop.verify().await;
}

/// Seed 004, line 72: cancel only if cancellable; contract: stock comes back, a paid one is refunded.
#[tokio::test]
async fn a_cancelled_order_gives_back_its_stock_and_its_money() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 100).await;
    let pot = shop.admin().create_product("Pot", "45", 100).await;
    let (ada, grace) = (shop.register("ada").await, shop.register("grace").await);
    for (state, refunded) in [("pending", "none"), ("confirmed", "none"), ("paid", "refunded")] {
        for by_owner in [true, false] {
            ada.add_to_cart(pot, 3).await.expect(200);
            let order = order_in(&shop, &ada, mug, state).await;
            assert_eq!((ada.stock_of(mug).await, ada.stock_of(pot).await), (99, 97));
            let cancel = format!("{}/cancel", path_of(&order));
            grace.post_nothing(&cancel).await.expect_problem(404, "order_not_found");
            shop.guest().post_nothing(&cancel).await.expect_problem(401, "unauthenticated");
            let who = if by_owner { &ada } else { shop.admin() };
            let cancelled = who.post_nothing(&cancel).await.expect(200).json;
            assert_eq!((&cancelled["status"], payment_in(&cancelled)), (&json!("cancelled"), refunded));
            ada.post_nothing(&cancel).await.expect_problem(409, "invalid_transition");

            let back = async || (ada.stock_of(mug).await, ada.stock_of(pot).await) == (100, 100);
            let mut patience = 100;
            while !back().await && patience > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                patience -= 1;
            }
            assert!(back().await, "the stock is back within 2 s");
        }
    }
    shop.verify().await;
}

/// Lines 166, 172: payment is offline; "paid" is what an admin has seen.
#[tokio::test]
async fn an_order_says_how_it_was_paid() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 100).await;
    let ada = shop.register("ada").await;
    for (state, payment) in [
        ("pending", Value::Null),
        ("confirmed", Value::Null),
        ("paid", json!({"provider": "offline", "status": "completed"})),
        ("shipped", json!({"provider": "offline", "status": "completed"})),
        ("cancelled", Value::Null),
    ] {
        assert_eq!(order_in(&shop, &ada, mug, state).await["payment"], payment, "{state}");
    }
    // Accepted by the merchant and never paid here: money changed hands at the door.
    let order = order_in(&shop, &ada, mug, "completed").await;
    assert_eq!(order["payment"], Value::Null);
    shop.verify().await;
}

/// Of moves at the same time, one wins.
#[tokio::test]
async fn an_order_is_moved_once() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 100).await;
    let ada = shop.register("ada").await;
    let order = order_in(&shop, &ada, mug, "confirmed").await;
    let cancel = format!("{}/cancel", path_of(&order));
    let moves = futures_util::future::join_all((0..6).map(async |index: usize| match index % 3 {
        0 => shop.admin().update_order_status(&order, "shipped").await,
        1 => shop.admin().update_order_status(&order, "cancelled").await,
        _ => ada.post_nothing(&cancel).await,
    }));
    let statuses: Vec<_> = moves.await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 5, "{statuses:?}");
    shop.verify().await;
}
