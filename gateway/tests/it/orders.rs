//! Placing, viewing and changing orders.

use bodega_proto::order::v1::{
    ListAllOrdersRequest, ListAllOrdersResponse, ListOrdersRequest, ListOrdersResponse, Order, OrderItem,
    OrderStatus, PlaceOrderRequest, PlaceOrderResponse, UpdateOrderStatusRequest, UpdateOrderStatusResponse,
};
use bodega_runtime::status;
use http::Method;
use serde_json::json;
use tonic::Code;

use crate::{
    fake_service::Calls,
    test_app::{SendRequest as _, TestApp},
};

const ID: &str = "0197f0c5-b3d8-71e2-9d43-52b8f6a0c911";

fn order() -> Order {
    Order {
        id: ID.to_owned(),
        user_id: "u".to_owned(),
        items: vec![OrderItem {
            product_id: 3,
            name: "Mug".to_owned(),
            price_minor: 1250,
            quantity: 2,
            line_total_minor: 2500,
            ..Default::default()
        }],
        total_minor: 2500,
        currency: "USD".to_owned(),
        status: OrderStatus::Pending.into(),
        ..Default::default()
    }
}

async fn gateway() -> (TestApp, Calls<PlaceOrderRequest>) {
    let gateway = TestApp::start().await;
    let placed = gateway.orders.on("PlaceOrder", |_: PlaceOrderRequest| {
        Ok(PlaceOrderResponse { order: Some(order()), ..Default::default() })
    });
    (gateway, placed)
}

#[tokio::test]
async fn places_an_order_with_and_without_a_body() {
    let (gateway, placed) = gateway().await;
    for (path, location) in [("/api/orders", "/api/orders"), ("/orders", "/api/orders"), ("/order", "/order")]
    {
        let request = || gateway.request(Method::POST, path).bearer_auth(gateway.identity.user());
        let response = request().fetch().await;
        assert_eq!(
            (response.status, response.header("location")),
            (201, format!("{location}/{ID}").as_str())
        );
        assert_eq!(placed.last(), PlaceOrderRequest::default());

        assert_eq!(request().json(&json!({})).fetch().await.status, 201);
        let response = request().header("idempotency-key", "k-1").json(&json!({"expectedTotal": 25.00}));
        assert_eq!(response.fetch().await.status, 201);
        let expected = PlaceOrderRequest {
            idempotency_key: "k-1".to_owned(),
            expected_total_minor: Some(2500),
            form: None,
            ..Default::default()
        };
        assert_eq!(placed.last(), expected);
        gateway.request(Method::POST, path).fetch().await.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn rejects_an_invalid_key_or_body() {
    let (gateway, placed) = gateway().await;
    let request = || gateway.request(Method::POST, "/api/orders").bearer_auth(gateway.identity.user());
    for key in ["", "a b", "\u{e9}", &"k".repeat(256)] {
        let response = request().header("idempotency-key", key).fetch().await;
        assert_eq!(response.rejected_field(400, "malformed_request"), "Idempotency-Key", "{key}");
    }
    for (body, field) in [
        (json!({"expectedTotal": 12.345}), "expectedTotal"),
        (json!({"expectedTotal": "much"}), "expectedTotal"),
        (json!({"total": 25}), "total"),
        (json!([]), "body"),
    ] {
        assert_eq!(request().json(&body).fetch().await.rejected_field(422, "invalid_field"), field);
    }
    request().body("{}").fetch().await.problem(415, "unsupported_media_type");
    assert_eq!(placed.count(), 0);
}

#[tokio::test]
async fn names_each_line_with_too_little_stock() {
    let gateway = TestApp::start().await;
    gateway.orders.on("PlaceOrder", |_: PlaceOrderRequest| {
        let lines = [("products[3]".to_owned(), "only 1 left of Mug".to_owned())];
        let code = Code::FailedPrecondition;
        Err::<PlaceOrderResponse, _>(status::rejected_fields(
            code,
            "out_of_stock",
            "not enough in stock",
            lines,
        ))
    });
    let request = gateway.request(Method::POST, "/api/orders").bearer_auth(gateway.identity.user());
    let problem = request.fetch().await.problem(409, "out_of_stock");
    assert_eq!(problem["errors"], json!([{"field": "products[3]", "message": "only 1 left of Mug"}]));
}

#[tokio::test]
async fn names_the_header_of_a_reused_idempotency_key() {
    let gateway = TestApp::start().await;
    gateway.orders.on("PlaceOrder", |_: PlaceOrderRequest| {
        let message = "came with another request before".to_owned();
        Err::<PlaceOrderResponse, _>(status::rejected_field(
            Code::InvalidArgument,
            "idempotency_key_reused",
            "idempotency_key",
            message,
        ))
    });
    let request = gateway.request(Method::POST, "/api/orders").bearer_auth(gateway.identity.user());
    let problem =
        request.header("idempotency-key", "k-1").fetch().await.problem(422, "idempotency_key_reused");
    assert_eq!(problem["errors"][0]["field"], "Idempotency-Key");
    assert_eq!(problem["detail"], "Idempotency-Key came with another request before");
}

#[tokio::test]
async fn lists_own_orders_by_status() {
    let gateway = TestApp::start().await;
    let lists = gateway.orders.on("ListOrders", |_: ListOrdersRequest| {
        Ok(ListOrdersResponse { orders: vec![order()], next_cursor: String::new() })
    });
    let get = |query: &str| gateway.get(&format!("/api/orders?{query}")).bearer_auth(gateway.identity.user());
    let page = get("status=paid&limit=5&cursor=c").fetch().await.json();
    assert_eq!(page["items"][0]["status"], "pending");
    assert_eq!(page.get("nextCursor"), Some(&json!(null)));
    let expected = ListOrdersRequest { status: OrderStatus::Paid.into(), limit: 5, cursor: "c".to_owned() };
    assert_eq!(lists.last(), expected);
    for (query, field) in [("status=placing", "status"), ("status=", "status"), ("userId=7", "userId")] {
        assert_eq!(get(query).fetch().await.rejected_field(400, "malformed_request"), field);
    }
}

#[tokio::test]
async fn admins_change_the_status_of_orders() {
    let gateway = TestApp::start().await;
    let changes = gateway.orders.on("UpdateOrderStatus", |request: UpdateOrderStatusRequest| {
        Ok(UpdateOrderStatusResponse { order: Some(Order { status: request.status, ..order() }) })
    });
    for path in [format!("/api/orders/{ID}"), format!("/orders/{ID}")] {
        let request = || gateway.request(Method::PATCH, &path).json(&json!({"status": "shipped"}));
        request().bearer_auth(gateway.identity.user()).fetch().await.problem(403, "admin_only");
        let response = request().bearer_auth(gateway.identity.admin()).fetch().await;
        assert_eq!((response.status, &response.json()["status"]), (200, &json!("shipped")));
        assert_eq!(changes.last().status(), OrderStatus::Shipped);

        let request = gateway.request(Method::PATCH, &path).bearer_auth(gateway.identity.admin());
        let response = request.json(&json!({"status": "placing"})).fetch().await;
        assert_eq!(response.rejected_field(422, "invalid_field"), "status");
    }
    assert_eq!(changes.count(), 2);
}

/// A gateway whose order service has two pages of orders.
async fn gateway_with_orders() -> (TestApp, Calls<ListAllOrdersRequest>) {
    let gateway = TestApp::start().await;
    let lists = gateway.orders.on("ListAllOrders", |request: ListAllOrdersRequest| {
        let next_cursor = if request.cursor.is_empty() { "more" } else { "" };
        Ok(ListAllOrdersResponse { orders: vec![order()], next_cursor: next_cursor.to_owned() })
    });
    (gateway, lists)
}

#[tokio::test]
async fn admins_search_all_orders() {
    let (gateway, lists) = gateway_with_orders().await;
    let query =
        format!("status=pending&userId={ID}&from=2026-11-21T09:30:00Z&to=2026-11-21T11:30:00%2B02:00");
    for path in ["/api/admin/orders", "/orders"] {
        let path = format!("{path}?{query}");
        gateway.get(&path).bearer_auth(gateway.identity.user()).fetch().await.problem(403, "admin_only");
        assert_eq!(gateway.get(&path).bearer_auth(gateway.identity.admin()).fetch().await.status, 200);
        let request = lists.last();
        assert_eq!((request.status(), request.user_id.as_str()), (OrderStatus::Pending, ID));
        assert_eq!((request.from, request.number), (request.to, None));
        assert_eq!(request.from.unwrap().seconds, 1_795_253_400);
    }
    let numbered = gateway.get("/api/admin/orders?number=1001").bearer_auth(gateway.identity.admin());
    assert_eq!(numbered.fetch().await.status, 200);
    assert_eq!(lists.last().number, Some(1001));
    for (query, field) in [
        ("from=yesterday", "from"),
        ("to=2026-11-21", "to"),
        ("userId=7", "userId"),
        ("number=0", "number"),
        ("number=-1", "number"),
        ("number=", "number"),
        ("number=A1", "number"),
        ("number=9223372036854775808", "number"),
    ] {
        let request =
            gateway.get(&format!("/api/admin/orders?{query}")).bearer_auth(gateway.identity.admin());
        assert_eq!(request.fetch().await.rejected_field(400, "malformed_request"), field);
    }
}

#[tokio::test]
async fn the_legacy_list_is_an_array_with_a_link_to_the_next_page() {
    let (gateway, lists) = gateway_with_orders().await;
    let get = |path: &str| gateway.get(path).bearer_auth(gateway.identity.admin());
    let first = get("/orders?limit=1&status=pending").fetch().await;
    let expected = json!([{
        "orderId": ID, "userId": "u", "totalPrice": 25.00, "status": "pending",
        "products": [{"productId": 3, "name": "Mug", "price": 12.50, "quantity": 2}],
        "createdAt": "1970-01-01T00:00:00Z", "updatedAt": "1970-01-01T00:00:00Z"
    }]);
    assert_eq!(first.json(), expected);
    let next = first.header("link").strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    assert_eq!(next, "/orders?limit=1&status=pending&cursor=more");

    let last = get(next).fetch().await;
    assert_eq!(lists.last().cursor, "more");
    assert_eq!((last.status, last.header("link")), (200, ""));
    assert_eq!(last.json().as_array().map(Vec::len), Some(1));
}
