//! A shop without a payment provider, as every shop begins: seed 003's way, an admin has seen the money.

use serde_json::{Value, json};

use crate::harness::{
    payments::{WEBHOOK, history, payment_of},
    responses::{INTENT, assert_fields},
    store::Shop,
};

#[tokio::test]
async fn a_payment_is_offline_until_an_admin_has_seen_the_money() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 9).await;
    let ada = shop.register("ada").await;
    let order = ada.buy(mug, 2).await;
    assert_eq!(order["payment"], Value::Null);

    let intent = ada.begin_payment(&order).await.expect(200);
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
    assert_eq!(ada.begin_payment(&order).await.expect(200).json, intent.json);
    let waiting = ada.order(&order).await;
    assert_eq!(
        (payment_of(&waiting), &waiting["status"]),
        ("offline requires_payment".to_owned(), &json!("pending"))
    );

    let paid = shop.admin().update_order_status(&order, "paid").await.expect(200).json;
    assert_eq!(payment_of(&paid), "offline completed");
    assert_eq!(history(&paid), ["pending", "pending requires_payment", "paid completed"]);
    ada.begin_payment(&order).await.expect_problem(409, "already_paid");
    shop.verify().await;
}

#[tokio::test]
async fn a_cancelled_order_that_was_paid_offline_is_refunded_at_once() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 9).await;
    let ada = shop.register("ada").await;
    let order = ada.buy(mug, 2).await;
    shop.admin().update_order_status(&order, "paid").await.expect(200);
    let cancelled = ada.cancel(&order).await.expect(200).json;
    assert_eq!(payment_of(&cancelled), "offline refunded");
    assert_eq!(
        history(&cancelled),
        ["pending", "paid completed", "cancelled refund_pending", "cancelled refunded"]
    );
    ada.begin_payment(&order).await.expect_problem(409, "order_not_payable");
    shop.verify().await;
}

/// An order that was asked to be paid, and cancelled before it was.
#[tokio::test]
async fn a_cancelled_order_that_was_never_paid_has_nothing_to_give_back() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 9).await;
    let ada = shop.register("ada").await;
    let order = ada.buy(mug, 2).await;
    ada.begin_payment(&order).await.expect(200);
    ada.cancel(&order).await.expect(200);
    ada.see_payment(&order, "offline failed").await;
    assert_eq!(ada.stock_of(mug).await, 9);
    shop.verify().await;
}

#[tokio::test]
async fn nobody_takes_events_for_a_provider_that_is_not_there() {
    let shop = Shop::start().await;
    let somebody = shop.guest().clone().with("stripe-signature", "t=1,v1=x");
    let answer = somebody.post(WEBHOOK, json!({"id": "evt_1", "type": "x"})).await;
    answer.expect_problem(404, "provider_not_configured");
    shop.verify().await;
}

#[tokio::test]
async fn an_order_that_comes_to_nothing_needs_no_payment() {
    let shop = Shop::start().await;
    let flyer = shop.admin().create_product("Flyer", "0", 9).await;
    let ada = shop.register("ada").await;
    let order = ada.buy(flyer, 1).await;
    let answer = ada.begin_payment(&order).await;
    answer.expect_problem(409, "nothing_to_pay");
    shop.admin().update_order_status(&order, "paid").await.expect(200);
    shop.verify().await;
}
