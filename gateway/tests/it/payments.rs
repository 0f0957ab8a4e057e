//! Payment intents, and payments in orders.

use bodega_proto::order::v1::{
    CreatePaymentIntentRequest, CreatePaymentIntentResponse, GetOrderRequest, GetOrderResponse,
    ListPaymentsRequest, ListPaymentsResponse, Order, OrderEvent, OrderStatus, Payment, PaymentDetails,
    PaymentIntent, PaymentReview, PaymentStatus, ResolvePaymentRequest, ResolvePaymentResponse, ReviewReason,
    ReviewResolution,
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
    assert_eq!(paid.last(), CreatePaymentIntentRequest { id: ID.to_owned(), ..Default::default() });
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
        ..Default::default()
    };
    Order {
        id: ID.to_owned(),
        currency: "USD".to_owned(),
        status: OrderStatus::Cancelled.into(),
        payment: Some(Payment {
            provider: "stripe".to_owned(),
            status: PaymentStatus::RefundPending.into(),
            intent_id: "pi_1".to_owned(),
            refund_id: "re_1".to_owned(),
            ..Default::default()
        }),
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
    let expected = json!({
        "provider": "stripe", "status": "refund_pending", "paymentIntentId": "pi_1", "refundId": "re_1",
        "refundedAmount": 0.00
    });
    assert_eq!(order["payment"], expected);
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

/// Money of another amount than the order's.
fn in_review() -> PaymentDetails {
    PaymentDetails {
        id: ID.to_owned(),
        order_id: ID.to_owned(),
        payment: Some(Payment {
            provider: "stripe".to_owned(),
            status: PaymentStatus::RequiresPayment.into(),
            needs_review: true,
            intent_id: "pi_1".to_owned(),
            ..Default::default()
        }),
        amount_minor: 2500,
        currency: "USD".to_owned(),
        review: Some(PaymentReview {
            reason: ReviewReason::WrongAmount.into(),
            reported_minor: Some(2000),
            reported_currency: "USD".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn admins_list_payments_that_need_review() {
    let gateway = TestApp::start().await;
    let lists = gateway.orders.on("ListPayments", |_: ListPaymentsRequest| {
        Ok(ListPaymentsResponse { payments: vec![in_review()], next_cursor: String::new() })
    });
    let get = |query: &str| gateway.get(&format!("/api/admin/payments{query}"));
    get("").bearer_auth(gateway.identity.user()).fetch().await.problem(403, "admin_only");
    let response =
        get("?needsReview=true&limit=5&cursor=c").bearer_auth(gateway.identity.admin()).fetch().await;
    let request = ListPaymentsRequest { needs_review: Some(true), limit: 5, cursor: "c".to_owned() };
    assert_eq!(lists.last(), request);
    let epoch = "1970-01-01T00:00:00Z";
    let expected = json!({"items": [{
        "id": ID, "orderId": ID, "userId": null, "provider": "stripe", "status": "needs_review",
        "paymentIntentId": "pi_1", "refundId": null, "amount": 25.00, "refundedAmount": 0.00, "currency": "USD",
        "review": {
            "reason": "wrong_amount", "reportedAmount": 20.00, "reportedCurrency": "USD", "openedAt": epoch,
            "resolution": null, "note": null, "resolvedBy": null, "resolvedAt": null
        },
        "createdAt": epoch, "updatedAt": epoch
    }], "nextCursor": null});
    assert_eq!(response.json(), expected);

    assert_eq!(get("").bearer_auth(gateway.identity.admin()).fetch().await.status, 200);
    assert_eq!(lists.last().needs_review, None);
    for (query, field) in
        [("?needsReview=yes", "needsReview"), ("?limit=0", "limit"), ("?status=paid", "status")]
    {
        let response = get(query).bearer_auth(gateway.identity.admin()).fetch().await;
        assert_eq!(response.rejected_field(400, "malformed_request"), field);
    }
}

#[tokio::test]
async fn admins_resolve_reviews() {
    let gateway = TestApp::start().await;
    let resolved = gateway.orders.on("ResolvePayment", |_: ResolvePaymentRequest| {
        Ok(ResolvePaymentResponse { payment: Some(in_review()) })
    });
    let path = format!("/api/admin/payments/{ID}/resolve");
    let post = |body: serde_json::Value| {
        gateway.request(Method::POST, &path).bearer_auth(gateway.identity.admin()).json(&body)
    };
    assert_eq!(post(json!({"resolution": "refunded", "note": "by bank"})).fetch().await.status, 200);
    let resolution = ReviewResolution::Refunded.into();
    assert_eq!(
        resolved.last(),
        ResolvePaymentRequest { id: ID.to_owned(), resolution, note: "by bank".to_owned() }
    );
    for (body, field) in [
        (json!({}), "resolution"),
        (json!({"resolution": "paid"}), "resolution"),
        (json!({"resolution": "retry", "note": 7}), "note"),
        (json!({"resolution": "retry", "amount": 7}), "amount"),
    ] {
        assert_eq!(post(body).fetch().await.rejected_field(422, "invalid_field"), field);
    }
    let user = gateway.request(Method::POST, &path).bearer_auth(gateway.identity.user());
    user.json(&json!({"resolution": "retry"})).fetch().await.problem(403, "admin_only");
    assert_eq!(resolved.count(), 1);
}
