//! Offline payments: without a payment provider, an admin marks orders as paid.

use serde_json::{Value, json};

use crate::harness::{
    payments::{WEBHOOK, history, payment_of},
    responses::{INTENT, assert_fields},
    store::TestStore,
};

#[tokio::test]
async fn an_admin_completes_an_offline_payment() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 9).await;
    let ada = store.register("ada").await;
    let order = ada.buy(mug, 2).await;
    assert_eq!(order["payment"], Value::Null);

    let intent = ada.start_payment(&order).await.expect(200);
    assert_fields(&intent.json, INTENT);
    assert!(intent.text.contains(r#""amount":39.98"#), "{intent:?}");
    for (field, value) in [
        ("provider", json!("offline")),
        ("clientSecret", Value::Null),
        ("publishableKey", Value::Null),
        ("status", json!("requires_payment")),
        ("currency", json!("USD")),
    ] {
        assert_eq!(intent.json[field], value, "{field}");
    }
    assert_eq!(ada.start_payment(&order).await.expect(200).json, intent.json);
    let waiting = ada.order(&order).await;
    assert_eq!(
        (payment_of(&waiting), &waiting["status"]),
        ("offline requires_payment".to_owned(), &json!("pending"))
    );

    let paid = store.admin().update_order_status(&order, "paid").await.expect(200).json;
    assert_eq!(payment_of(&paid), "offline completed");
    assert_eq!(history(&paid), ["pending", "pending requires_payment", "paid completed"]);
    ada.start_payment(&order).await.expect_problem(409, "already_paid");
    store.verify().await;
}

#[tokio::test]
async fn cancelling_an_offline_payment_refunds_it_at_once() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 9).await;
    let ada = store.register("ada").await;
    let order = ada.buy(mug, 2).await;
    store.admin().update_order_status(&order, "paid").await.expect(200);
    let cancelled = ada.cancel(&order).await.expect(200).json;
    assert_eq!(payment_of(&cancelled), "offline refunded");
    assert_eq!(
        history(&cancelled),
        ["pending", "paid completed", "cancelled refund_pending", "cancelled refunded"]
    );
    ada.start_payment(&order).await.expect_problem(409, "order_not_payable");
    store.verify().await;
}

/// The payment was started, but never completed.
#[tokio::test]
async fn cancelling_an_unpaid_order_refunds_nothing() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 9).await;
    let ada = store.register("ada").await;
    let order = ada.buy(mug, 2).await;
    ada.start_payment(&order).await.expect(200);
    ada.cancel(&order).await.expect(200);
    ada.wait_for_payment(&order, "offline cancelled").await;
    assert_eq!(ada.stock_of(mug).await, 9);
    store.verify().await;
}

#[tokio::test]
async fn rejects_webhook_events_without_a_provider() {
    let store = TestStore::start().await;
    let client = store.guest().clone().with("stripe-signature", "t=1,v1=x");
    let response = client.post(WEBHOOK, json!({"id": "evt_1", "type": "x"})).await;
    response.expect_problem(404, "provider_not_configured");
    store.verify().await;
}

#[tokio::test]
async fn a_free_order_needs_no_payment() {
    let store = TestStore::start().await;
    let flyer = store.admin().create_product("Flyer", "0", 9).await;
    let ada = store.register("ada").await;
    let order = ada.buy(flyer, 1).await;
    let response = ada.start_payment(&order).await;
    response.expect_problem(409, "nothing_to_pay");
    store.admin().update_order_status(&order, "paid").await.expect(200);
    store.verify().await;
}
