//! Payment intents, and payments in orders.

use bodega_proto::order::v1::{
    CreatePaymentIntentRequest, CreatePaymentIntentResponse, GetOrderRequest, GetOrderResponse, Order,
    OrderEvent, OrderStatus, Payment, PaymentIntent, PaymentStatus,
};
use bodega_runtime::status;
use http::Method;
use serde_json::json;
use tonic::Code;

use crate::test_app::{SendRequest as _, TestApp, TestResponse};

const ID: &str = "0197f0c5-b3d8-71e2-9d43-52b8f6a0c911";

fn intent() -> PaymentIntent {
    PaymentIntent {
        provider: "stripe".to_owned(),
        id: "pi_1".to_owned(),
        client_secret: "pi_1_secret".to_owned(),
        publishable_key: "pk_test".to_owned(),
        status: PaymentStatus::RequiresPayment.into(),
        amount_minor: 2500,
        currency: "USD".to_owned(),
    }
}

async fn pay(gateway: &TestApp) -> TestResponse {
    let path = format!("/api/orders/{ID}/payment");
    gateway.request(Method::POST, &path).bearer_auth(gateway.identity.user()).fetch().await
}

#[tokio::test]
async fn returns_the_payment_intent_of_an_order() {
    let gateway = TestApp::start().await;
    let paid = gateway.orders.on("CreatePaymentIntent", |_: CreatePaymentIntentRequest| {
        Ok(CreatePaymentIntentResponse { intent: Some(intent()) })
    });
    let response = pay(&gateway).await;
    assert_eq!((response.status, response.header("cache-control")), (200, "no-store"));
    assert_eq!(
        response.text,
        r#"{"provider":"stripe","paymentIntentId":"pi_1","clientSecret":"pi_1_secret","publishableKey":"pk_test","status":"requires_payment","amount":25.00,"currency":"USD"}"#
    );
    assert_eq!(paid.last(), CreatePaymentIntentRequest { id: ID.to_owned() });
}

#[tokio::test]
async fn an_offline_payment_has_null_fields() {
    let gateway = TestApp::start().await;
    gateway.orders.on("CreatePaymentIntent", |_: CreatePaymentIntentRequest| {
        let empty =
            PaymentIntent { amount_minor: 500, currency: "JPY".to_owned(), ..PaymentIntent::default() };
        let status = PaymentStatus::RequiresPayment.into();
        Ok(CreatePaymentIntentResponse {
            intent: Some(PaymentIntent { provider: "offline".to_owned(), status, ..empty }),
        })
    });
    let expected = json!({
        "provider": "offline", "paymentIntentId": null, "clientSecret": null, "publishableKey": null,
        "status": "requires_payment", "amount": 500, "currency": "JPY"
    });
    assert_eq!(pay(&gateway).await.json(), expected);
}

#[tokio::test]
async fn returns_the_reason_why_an_order_cannot_be_paid() {
    let gateway = TestApp::start().await;
    for (code, reason, status) in [
        (Code::NotFound, "order_not_found", 404),
        (Code::FailedPrecondition, "already_paid", 409),
        (Code::FailedPrecondition, "order_not_payable", 409),
        (Code::FailedPrecondition, "nothing_to_pay", 409),
        (Code::FailedPrecondition, "payment_refused", 409),
        (Code::Unavailable, "upstream_unavailable", 503),
    ] {
        gateway.orders.on("CreatePaymentIntent", move |_: CreatePaymentIntentRequest| {
            Err::<CreatePaymentIntentResponse, _>(status::rejected(code, reason, "no"))
        });
        pay(&gateway).await.problem(status, reason);
    }
}

#[tokio::test]
async fn rejects_a_missing_token_and_a_malformed_order_id() {
    let gateway = TestApp::start().await;
    let paid = gateway.orders.on("CreatePaymentIntent", |_: CreatePaymentIntentRequest| {
        Ok(CreatePaymentIntentResponse { intent: Some(intent()) })
    });
    let path = format!("/api/orders/{ID}/payment");
    gateway.request(Method::POST, &path).fetch().await.problem(401, "unauthenticated");
    let request = gateway.request(Method::POST, "/api/orders/7/payment").bearer_auth(gateway.identity.user());
    assert_eq!(request.fetch().await.rejected_field(400, "malformed_request"), "id");
    assert_eq!(paid.count(), 0);
}

/// An order that was paid and cancelled, and whose refund is pending.
fn refunded() -> Order {
    let event = |status: OrderStatus, payment: PaymentStatus| OrderEvent {
        status: status.into(),
        at: None,
        payment: payment.into(),
    };
    Order {
        id: ID.to_owned(),
        currency: "USD".to_owned(),
        status: OrderStatus::Cancelled.into(),
        payment: Some(Payment { provider: "stripe".to_owned(), status: PaymentStatus::RefundPending.into() }),
        history: vec![
            event(OrderStatus::Pending, PaymentStatus::Unspecified),
            event(OrderStatus::Pending, PaymentStatus::RequiresPayment),
            event(OrderStatus::Paid, PaymentStatus::Completed),
            event(OrderStatus::Cancelled, PaymentStatus::RefundPending),
        ],
        ..Order::default()
    }
}

#[tokio::test]
async fn an_order_has_the_history_of_its_payment() {
    let gateway = TestApp::start().await;
    gateway.orders.on("GetOrder", |_: GetOrderRequest| Ok(GetOrderResponse { order: Some(refunded()) }));
    let path = format!("/api/orders/{ID}");
    let order = gateway.get(&path).bearer_auth(gateway.identity.user()).fetch().await.json();
    assert_eq!(order["payment"], json!({"provider": "stripe", "status": "refund_pending"}));
    let at = "1970-01-01T00:00:00Z";
    let expected = json!([
        {"status": "pending", "at": at},
        {"status": "pending", "at": at, "payment": "requires_payment"},
        {"status": "paid", "at": at, "payment": "completed"},
        {"status": "cancelled", "at": at, "payment": "refund_pending"}
    ]);
    assert_eq!(order["history"], expected);
}

#[tokio::test]
async fn a_legacy_order_has_no_payment() {
    let gateway = TestApp::start().await;
    gateway.orders.on("GetOrder", |_: GetOrderRequest| Ok(GetOrderResponse { order: Some(refunded()) }));
    let path = format!("/order/{ID}");
    let response = gateway.get(&path).bearer_auth(gateway.identity.user()).fetch().await;
    let at = "1970-01-01T00:00:00Z";
    let expected = json!({
        "orderId": ID, "userId": "", "products": [], "totalPrice": 0.00, "status": "cancelled", "createdAt": at,
        "updatedAt": at
    });
    assert_eq!(response.json(), expected);
}
