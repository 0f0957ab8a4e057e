//! The list of all orders, for admins.

use serde_json::{Value, json};

use crate::harness::{
    responses::{ORDER, assert_fields, pluck},
    store::TestStore,
};

/// A time, encoded for a query string.
fn encoded(time: &Value) -> String {
    time.as_str().unwrap().replace('+', "%2B")
}

#[tokio::test]
async fn filters_orders_by_status_user_and_time() {
    let store = TestStore::start().await;
    let admin = store.admin();
    let mug = admin.create_product("Mug", "19.99", 50).await;
    let (ada, grace) = (store.register("ada").await, store.register("grace").await);
    let one = ada.buy(mug, 1).await;
    let two = grace.buy(mug, 1).await;
    let three = ada.buy(mug, 1).await;
    admin.update_order_status(&one, "paid").await.expect(200);
    let (from, to) = (encoded(&two["createdAt"]), encoded(&three["createdAt"]));
    let (ada_id, grace_id) = (ada.id(), grace.id());
    let unknown_user = "0197f0c5-b3d8-71e2-9d43-52b8f6a0c911";
    for (query, expected) in [
        (String::new(), vec![&three, &two, &one]),
        ("status=pending".to_owned(), vec![&three, &two]),
        ("status=paid".to_owned(), vec![&one]),
        (format!("userId={ada_id}"), vec![&three, &one]),
        (format!("number={}", two["number"]), vec![&two]),
        (format!("userId={ada_id}&number={}", two["number"]), vec![]),
        ("number=1".to_owned(), vec![]),
        (format!("userId={unknown_user}"), vec![]),
        (format!("from={from}"), vec![&three, &two]),
        (format!("to={to}"), vec![&two, &one]),
        (format!("from={from}&to={to}"), vec![&two]),
        (format!("from={to}&to={from}"), vec![]),
        (format!("status=pending&userId={grace_id}&from={from}"), vec![&two]),
        ("to=2020-01-01T00:00:00%2B02:00".to_owned(), vec![]),
    ] {
        for list in ["/api/admin/orders", "/orders"] {
            let found = admin.get(&format!("{list}?{query}")).await.expect(200);
            let id = if list == "/orders" { "orderId" } else { "id" };
            let expected: Vec<_> = expected.iter().map(|order| &order["id"]).collect();
            assert_eq!(pluck(found.items(), id), expected, "{list}?{query}");
        }
    }
    let all = admin.all_pages("/api/admin/orders?limit=2").await;
    assert_eq!(pluck(&all, "id"), [&three["id"], &two["id"], &one["id"]]);
    all.iter().for_each(|order| assert_fields(order, ORDER));
}

#[tokio::test]
async fn rejects_invalid_filters() {
    let store = TestStore::start().await;
    for (query, field) in [
        ("status=placing", "status"),
        ("status=rejected", "status"),
        ("userId=7", "userId"),
        ("user_id=7", "user_id"),
        ("number=0", "number"),
        ("number=one", "number"),
        ("from=yesterday", "from"),
        ("from=2026-11-21", "from"),
        ("to=", "to"),
        ("to=2026-13-01T00:00:00Z", "to"),
        ("limit=0", "limit"),
        ("limit=1000", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=WzEsMl0", "cursor"),
    ] {
        for list in ["/api/admin/orders", "/orders"] {
            store.admin().get(&format!("{list}?{query}")).await.expect_field_error(400, field);
        }
    }
}

#[tokio::test]
async fn only_admins_list_all_orders() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    ada.get("/api/admin/orders").await.expect_problem(403, "admin_only");
    store.guest().get("/api/admin/orders").await.expect_problem(401, "unauthenticated");
    assert_eq!(
        store.admin().get("/api/admin/orders").await.expect(200).json,
        json!({"items": [], "nextCursor": null})
    );
}
