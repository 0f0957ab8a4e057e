//! The state machine of orders.

use serde_json::{Value, json};

use crate::harness::{
    responses::pluck,
    store::{Client, TestStore},
};

const STATUSES: [&str; 6] = ["pending", "confirmed", "paid", "shipped", "completed", "cancelled"];

/// Every allowed transition.
const TRANSITIONS: [(&str, &str); 9] = [
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

/// The transitions that lead to each status.
fn transitions_to(status: &str) -> &'static [&'static str] {
    match status {
        "pending" => &[],
        "confirmed" => &["confirmed"],
        "paid" => &["paid"],
        "shipped" => &["paid", "shipped"],
        "completed" => &["confirmed", "shipped", "completed"],
        "cancelled" => &["cancelled"],
        status => panic!("{status}"),
    }
}

/// Creates an order in this status.
async fn order_with_status(store: &TestStore, buyer: &Client, product: i64, status: &str) -> Value {
    let mut order = buyer.buy(product, 1).await;
    for next in transitions_to(status) {
        order = store.admin().update_order_status(&order, next).await.expect(200).json;
    }
    assert_eq!(order["status"], status);
    order
}

fn path_of(order: &Value) -> String {
    format!("/api/orders/{}", order["id"].as_str().unwrap())
}

fn history_length(order: &Value) -> usize {
    order["history"].as_array().unwrap().len()
}

/// The payment status of the order, if it has a payment.
fn payment_status(order: &Value) -> &str {
    order["payment"]["status"].as_str().unwrap_or("none")
}

#[tokio::test]
async fn follows_the_state_machine_and_records_the_history() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 100).await;
    let ada = store.register("ada").await;
    for (from, to) in TRANSITIONS {
        let before = order_with_status(&store, &ada, mug, from).await;
        let after = store.admin().update_order_status(&before, to).await.expect(200).json;
        assert_eq!(after["status"], to);
        let (earlier, later) = after["history"].as_array().unwrap().split_at(history_length(&before));
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
    store.verify().await;
}

/// Every other transition is a 409 that names both statuses and changes nothing.
#[tokio::test]
async fn rejects_other_transitions_naming_both_statuses() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 100).await;
    let ada = store.register("ada").await;
    let mut rejected = 0;
    for from in STATUSES {
        let order = order_with_status(&store, &ada, mug, from).await;
        for to in STATUSES.into_iter().filter(|to| !TRANSITIONS.contains(&(from, to))) {
            let responses = [
                store.admin().update_order_status(&order, to).await,
                store.admin().patch(&path_of(&order).replace("/api", ""), json!({"status": to})).await,
            ];
            for response in responses {
                let response = response.expect_problem(409, "invalid_transition");
                let detail = response.json["detail"].as_str().unwrap();
                assert!(detail.contains(from) && detail.contains(to), "{from} -> {to}: {detail}");
            }
            rejected += 1;
        }
        if !TRANSITIONS.contains(&(from, "cancelled")) {
            let response = ada.post_empty(&format!("{}/cancel", path_of(&order))).await;
            match from {
                "cancelled" => assert_eq!(response.expect(200).json, order, "a retry"),
                _ => drop(response.expect_problem(409, "invalid_transition")),
            }
        }
        assert_eq!(ada.get(&path_of(&order)).await.expect(200).json, order);
    }
    assert_eq!(rejected, 36 - TRANSITIONS.len());
    store.verify().await;
}

/// Cancelling returns the stock and refunds a paid order.
#[tokio::test]
async fn cancelling_returns_stock_and_money() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 100).await;
    let pot = store.admin().create_product("Pot", "45", 100).await;
    let (ada, grace) = (store.register("ada").await, store.register("grace").await);
    for (status, refunded) in [("pending", "none"), ("confirmed", "none"), ("paid", "refunded")] {
        for by_owner in [true, false] {
            ada.add_to_cart(pot, 3).await.expect(200);
            let order = order_with_status(&store, &ada, mug, status).await;
            assert_eq!((ada.stock_of(mug).await, ada.stock_of(pot).await), (99, 97));
            let cancel = format!("{}/cancel", path_of(&order));
            grace.post_empty(&cancel).await.expect_problem(404, "order_not_found");
            store.guest().post_empty(&cancel).await.expect_problem(401, "unauthenticated");
            let caller = if by_owner { &ada } else { store.admin() };
            let cancelled = caller.post_empty(&cancel).await.expect(200).json;
            assert_eq!((&cancelled["status"], payment_status(&cancelled)), (&json!("cancelled"), refunded));
            let again = ada.post_empty(&cancel).await.expect(200).json;
            assert_eq!((&again["status"], payment_status(&again)), (&json!("cancelled"), refunded));

            let back = async || (ada.stock_of(mug).await, ada.stock_of(pot).await) == (100, 100);
            let mut attempts = 100;
            while !back().await && attempts > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                attempts -= 1;
            }
            assert!(back().await, "the stock is returned within 2 s");
        }
    }
    store.verify().await;
}

/// With offline payments, an admin marks the order as paid.
#[tokio::test]
async fn an_order_shows_its_payment() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 100).await;
    let ada = store.register("ada").await;
    let completed = json!({
        "provider": "offline", "status": "completed", "paymentIntentId": null, "refundId": null, "refundedAmount": 0.0,
    });
    for (status, payment) in [
        ("pending", Value::Null),
        ("confirmed", Value::Null),
        ("paid", completed.clone()),
        ("shipped", completed),
        ("cancelled", Value::Null),
    ] {
        assert_eq!(order_with_status(&store, &ada, mug, status).await["payment"], payment, "{status}");
    }
    // Confirmed and never paid in the store, as with cash on delivery.
    let order = order_with_status(&store, &ada, mug, "completed").await;
    assert_eq!(order["payment"], Value::Null);
    store.verify().await;
}

/// One of several concurrent transitions wins.
#[tokio::test]
async fn concurrent_transitions_happen_once() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 100).await;
    let ada = store.register("ada").await;
    let order = order_with_status(&store, &ada, mug, "confirmed").await;
    let cancel = format!("{}/cancel", path_of(&order));
    let requests = futures_util::future::join_all((0..6).map(async |index: usize| match index % 3 {
        0 => store.admin().update_order_status(&order, "shipped").await,
        1 => store.admin().update_order_status(&order, "cancelled").await,
        _ => ada.post_empty(&cancel).await,
    }));
    let statuses: Vec<_> = requests.await.iter().map(|response| response.status).collect();
    let succeeded = |indices: &[usize]| indices.iter().filter(|index| statuses[**index] == 200).count();
    let (admins, customers) = (succeeded(&[0, 1, 3, 4]), succeeded(&[2, 5]));
    assert_eq!(
        statuses.iter().filter(|status| **status == 409).count(),
        6 - admins - customers,
        "{statuses:?}"
    );
    // A customer who cancels an order that is cancelled already gets it as it is.
    assert!(admins + customers == 1 || succeeded(&[0, 3]) == 0 && admins <= 1, "{statuses:?}");
    store.verify().await;
}
