//! A user's order history.

use serde_json::{Value, json};

use crate::harness::{
    responses::{ORDER, assert_fields, pluck},
    store::TestStore,
};

#[tokio::test]
async fn lists_own_orders_newest_first_in_pages() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let (ada, grace) = (store.register("ada").await, store.register("grace").await);
    assert_eq!(ada.get("/api/orders").await.expect(200).json, json!({"items": [], "nextCursor": null}));
    let mut orders: Vec<Value> = Vec::new();
    for quantity in 1..=5 {
        orders.insert(0, ada.buy(mug, quantity).await);
        grace.buy(mug, 1).await;
    }
    let history = ada.get("/api/orders").await.expect(200);
    assert_fields(&history.json, "items nextCursor");
    history.items().iter().for_each(|order| assert_fields(order, ORDER));
    assert_eq!(history.items(), orders);
    for limit in [1, 2, 5, 100] {
        assert_eq!(ada.all_pages(&format!("/api/orders?limit={limit}")).await, orders, "{limit} a page");
    }

    let first = ada.get("/api/orders?limit=2").await.expect(200).json;
    assert_fields(&first, "items nextCursor");
    ada.buy(mug, 9).await;
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = ada.get(&format!("/api/orders?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(second.items(), &orders[2..4], "a page continues after the previous one");
}

#[tokio::test]
async fn filters_the_history_by_status() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let ada = store.register("ada").await;
    let first = ada.buy(mug, 1).await;
    let second = ada.buy(mug, 1).await;
    store.admin().update_order_status(&first, "paid").await.expect(200);
    for (status, expected) in
        [("paid", vec![&first["id"]]), ("pending", vec![&second["id"]]), ("shipped", vec![])]
    {
        let found = ada.get(&format!("/api/orders?status={status}")).await.expect(200);
        assert_eq!(pluck(found.items(), "id"), expected, "{status}");
    }
    for (query, field) in [
        ("status=placing", "status"),
        ("status=PAID", "status"),
        ("status=", "status"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        ("userId=x", "userId"),
        ("page=1", "page"),
    ] {
        ada.get(&format!("/api/orders?{query}")).await.expect_field_error(400, field);
    }
}

/// For other users the order does not exist.
#[tokio::test]
async fn orders_are_visible_to_their_owner_and_admins_only() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let (ada, grace) = (store.register("ada").await, store.register("grace").await);
    let order = ada.buy(mug, 1).await;
    for path in ["/api/orders", "/order"] {
        let path = format!("{path}/{}", order["id"].as_str().unwrap());
        ada.get(&path).await.expect(200);
        store.admin().get(&path).await.expect(200);
        grace.get(&path).await.expect_problem(404, "order_not_found");
        store.guest().get(&path).await.expect_problem(401, "unauthenticated");
    }
    let theirs = grace.get("/api/orders/0197f0c5-b3d8-71e2-9d43-52b8f6a0c911").await;
    let others = grace.get(&format!("/api/orders/{}", order["id"].as_str().unwrap())).await;
    assert_eq!(theirs.json["detail"], others.json["detail"], "the response does not reveal existence");
}
