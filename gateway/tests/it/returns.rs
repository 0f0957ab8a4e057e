//! Refunds and shipments of parts of an order.

use bodega_proto::order::v1::{
    CreateRefundRequest, CreateRefundResponse, CreateShipmentRequest, CreateShipmentResponse,
    GetOrderRequest, GetOrderResponse, Order, OrderStatus, Refund, RefundLine, RefundStatus, ReturnedLine,
    Shipment, ShipmentLine,
};
use bodega_runtime::status;
use http::Method;
use serde_json::json;
use tonic::Code;

use crate::test_app::{SendRequest as _, TestApp};

const ID: &str = "0197f0c5-b3d8-71e2-9d43-52b8f6a0c911";
const REFUNDS: &str = "/api/orders/0197f0c5-b3d8-71e2-9d43-52b8f6a0c911/refunds";
const SHIPMENTS: &str = "/api/orders/0197f0c5-b3d8-71e2-9d43-52b8f6a0c911/shipments";

#[tokio::test]
async fn refunds_returned_units() {
    let gateway = TestApp::start().await;
    let created = gateway.orders.on("CreateRefund", |_: CreateRefundRequest| {
        let line = RefundLine { variant_id: 3, quantity: 1, amount_minor: 1250, tax_minor: 200 };
        let refund = Refund {
            id: "r".to_owned(),
            status: RefundStatus::Succeeded.into(),
            amount_minor: 1250,
            tax_minor: 200,
            lines: vec![line],
            restock: true,
            ..Default::default()
        };
        Ok(CreateRefundResponse { refund: Some(refund) })
    });
    let request = || gateway.request(Method::POST, REFUNDS).header("idempotency-key", "k");
    let body = json!({"lines": [{"productId": 3, "quantity": 1}], "restock": true});
    let response = request().bearer_auth(gateway.identity.admin()).json(&body).fetch().await;
    assert_eq!((response.status, response.header("location")), (201, format!("/api/orders/{ID}").as_str()));
    let line = ReturnedLine { variant_id: 3, quantity: 1, unshipped_quantity: None };
    let expected = CreateRefundRequest {
        order_id: ID.to_owned(),
        idempotency_key: "k".to_owned(),
        lines: vec![line],
        restock: true,
        ..Default::default()
    };
    assert_eq!(created.last(), expected);
    request().bearer_auth(gateway.identity.user()).json(&body).fetch().await.problem(403, "admin_only");
    let refund = response.json();
    for field in ["reason", "failureReason", "providerRefundId"] {
        assert_eq!(refund.get(field), Some(&json!(null)), "{field}");
    }
    let amount = request().bearer_auth(gateway.identity.admin()).json(&json!({"amount": 1.5}));
    assert_eq!(amount.fetch().await.status, 201);
    assert_eq!(created.last().amount_minor, Some(150));
}

#[tokio::test]
async fn customers_do_not_get_what_is_for_admins() {
    let gateway = TestApp::start().await;
    gateway.orders.on("GetOrder", |request: GetOrderRequest| {
        let redacted = !request.access_token.is_empty();
        let reason = if redacted { String::new() } else { "too small".to_owned() };
        let status = RefundStatus::Failed.into();
        let refund = Refund { id: "r".to_owned(), status, reason, redacted, ..Default::default() };
        let status = OrderStatus::Paid.into();
        let currency = "USD".to_owned();
        let order = Order { refunds: vec![refund], status, currency, ..Default::default() };
        Ok(GetOrderResponse { order: Some(order) })
    });
    let get = || gateway.get(&format!("/api/orders/{ID}"));
    let refund = get().bearer_auth(gateway.identity.admin()).fetch().await.json()["refunds"][0].clone();
    assert_eq!((&refund["reason"], refund.get("failureReason")), (&json!("too small"), Some(&json!(null))));
    let refund = get().header("x-order-token", "t").fetch().await.json()["refunds"][0].clone();
    assert_eq!(refund["status"], "failed");
    for field in ["reason", "failureReason", "providerRefundId"] {
        assert_eq!(refund.get(field), None, "{field}");
    }
}

#[tokio::test]
async fn names_the_fields_of_a_rejected_refund() {
    let gateway = TestApp::start().await;
    gateway.orders.on("CreateRefund", |request: CreateRefundRequest| {
        let field = if request.idempotency_key.is_empty() { "idempotency_key" } else { "amount_minor" };
        let violations = [(field.to_owned(), "is wrong".to_owned())];
        let code = Code::FailedPrecondition;
        Err::<CreateRefundResponse, _>(status::rejected_fields(
            code,
            "refund_exceeds_paid",
            "wrong",
            violations,
        ))
    });
    let request = || gateway.request(Method::POST, REFUNDS).bearer_auth(gateway.identity.admin());
    let problem = request().json(&json!({"amount": 1})).fetch().await.problem(409, "refund_exceeds_paid");
    assert_eq!(problem["errors"][0]["field"], "Idempotency-Key");
    let with_key = request().header("idempotency-key", "k").json(&json!({"amount": 1}));
    let problem = with_key.fetch().await.problem(409, "refund_exceeds_paid");
    assert_eq!(problem["errors"][0]["field"], "amount");
}

#[tokio::test]
async fn ships_a_parcel() {
    let gateway = TestApp::start().await;
    let created = gateway.orders.on("CreateShipment", |request: CreateShipmentRequest| {
        let shipment = Shipment {
            id: "s".to_owned(),
            lines: request.lines,
            carrier: request.carrier,
            ..Default::default()
        };
        Ok(CreateShipmentResponse { shipment: Some(shipment) })
    });
    let request = || gateway.request(Method::POST, SHIPMENTS);
    let body = json!({"lines": [{"variantId": 3, "quantity": 2}], "carrier": "DHL"});
    let response = request().bearer_auth(gateway.identity.admin()).json(&body).fetch().await;
    assert_eq!(response.status, 201);
    let expected = CreateShipmentRequest {
        order_id: ID.to_owned(),
        lines: vec![ShipmentLine { variant_id: 3, quantity: 2 }],
        carrier: "DHL".to_owned(),
        ..Default::default()
    };
    assert_eq!(created.last(), expected);
    request().bearer_auth(gateway.identity.user()).json(&body).fetch().await.problem(403, "admin_only");
}
