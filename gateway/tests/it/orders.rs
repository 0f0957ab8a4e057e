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
    fakes::Heard,
    shop::{Answered as _, Shop},
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
        }],
        total_minor: 2500,
        currency: "USD".to_owned(),
        status: OrderStatus::Pending.into(),
        ..Default::default()
    }
}

async fn shop() -> (Shop, Heard<PlaceOrderRequest>) {
    let shop = Shop::open().await;
    let placed =
        shop.orders.on("PlaceOrder", |_: PlaceOrderRequest| Ok(PlaceOrderResponse { order: Some(order()) }));
    (shop, placed)
}

#[tokio::test]
async fn places_an_order_with_and_without_a_body() {
    let (shop, placed) = shop().await;
    for (path, location) in [("/api/orders", "/api/orders"), ("/orders", "/api/orders"), ("/order", "/order")]
    {
        let request = || shop.request(Method::POST, path).bearer_auth(shop.identity.user());
        let answer = request().answer().await;
        assert_eq!((answer.status, answer.header("location")), (201, format!("{location}/{ID}").as_str()));
        assert_eq!(placed.last(), PlaceOrderRequest::default());

        assert_eq!(request().json(&json!({})).answer().await.status, 201);
        let answer = request().header("idempotency-key", "k-1").json(&json!({"expectedTotal": 25.00}));
        assert_eq!(answer.answer().await.status, 201);
        let expected =
            PlaceOrderRequest { idempotency_key: "k-1".to_owned(), expected_total_minor: Some(2500) };
        assert_eq!(placed.last(), expected);
        shop.request(Method::POST, path).answer().await.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn rejects_an_invalid_key_or_body() {
    let (shop, placed) = shop().await;
    let request = || shop.request(Method::POST, "/api/orders").bearer_auth(shop.identity.user());
    for key in ["", "a b", "\u{e9}", &"k".repeat(256)] {
        let answer = request().header("idempotency-key", key).answer().await;
        assert_eq!(answer.refused_field(400, "malformed_request"), "Idempotency-Key", "{key}");
    }
    for (body, field) in [
        (json!({"expectedTotal": 12.345}), "expectedTotal"),
        (json!({"expectedTotal": "much"}), "expectedTotal"),
        (json!({"total": 25}), "total"),
        (json!([]), "body"),
    ] {
        assert_eq!(request().json(&body).answer().await.refused_field(422, "invalid_field"), field);
    }
    request().body("{}").answer().await.problem(415, "unsupported_media_type");
    assert_eq!(placed.count(), 0);
}

#[tokio::test]
async fn names_each_line_with_too_little_stock() {
    let shop = Shop::open().await;
    shop.orders.on("PlaceOrder", |_: PlaceOrderRequest| {
        let lines = [("products[3]".to_owned(), "only 1 left of Mug".to_owned())];
        let code = Code::FailedPrecondition;
        Err::<PlaceOrderResponse, _>(status::rejected_fields(
            code,
            "out_of_stock",
            "not enough in stock",
            lines,
        ))
    });
    let request = shop.request(Method::POST, "/api/orders").bearer_auth(shop.identity.user());
    let problem = request.answer().await.problem(409, "out_of_stock");
    assert_eq!(problem["errors"], json!([{"field": "products[3]", "message": "only 1 left of Mug"}]));
}

#[tokio::test]
async fn names_the_header_of_a_reused_idempotency_key() {
    let shop = Shop::open().await;
    shop.orders.on("PlaceOrder", |_: PlaceOrderRequest| {
        let message = "came with another request before".to_owned();
        Err::<PlaceOrderResponse, _>(status::rejected_field(
            Code::InvalidArgument,
            "idempotency_key_reused",
            "idempotency_key",
            message,
        ))
    });
    let request = shop.request(Method::POST, "/api/orders").bearer_auth(shop.identity.user());
    let problem =
        request.header("idempotency-key", "k-1").answer().await.problem(422, "idempotency_key_reused");
    assert_eq!(problem["errors"][0]["field"], "Idempotency-Key");
    assert_eq!(problem["detail"], "Idempotency-Key came with another request before");
}

#[tokio::test]
async fn lists_own_orders_by_status() {
    let shop = Shop::open().await;
    let lists = shop.orders.on("ListOrders", |_: ListOrdersRequest| {
        Ok(ListOrdersResponse { orders: vec![order()], next_cursor: String::new() })
    });
    let get = |query: &str| shop.get(&format!("/api/orders?{query}")).bearer_auth(shop.identity.user());
    let page = get("status=paid&limit=5&cursor=c").answer().await.json();
    assert_eq!(page["items"][0]["status"], "pending");
    assert!(page.get("nextCursor").is_none());
    let expected = ListOrdersRequest { status: OrderStatus::Paid.into(), limit: 5, cursor: "c".to_owned() };
    assert_eq!(lists.last(), expected);
    for (query, field) in [("status=placing", "status"), ("status=", "status"), ("userId=7", "userId")] {
        assert_eq!(get(query).answer().await.refused_field(400, "malformed_request"), field);
    }
}

#[tokio::test]
async fn admins_change_the_status_of_orders() {
    let shop = Shop::open().await;
    let changes = shop.orders.on("UpdateOrderStatus", |request: UpdateOrderStatusRequest| {
        Ok(UpdateOrderStatusResponse { order: Some(Order { status: request.status, ..order() }) })
    });
    for path in [format!("/api/orders/{ID}"), format!("/orders/{ID}")] {
        let request = || shop.request(Method::PATCH, &path).json(&json!({"status": "shipped"}));
        request().bearer_auth(shop.identity.user()).answer().await.problem(403, "admin_only");
        let response = request().bearer_auth(shop.identity.admin()).answer().await;
        assert_eq!((response.status, &response.json()["status"]), (200, &json!("shipped")));
        assert_eq!(changes.last().status(), OrderStatus::Shipped);

        let request = shop.request(Method::PATCH, &path).bearer_auth(shop.identity.admin());
        let answer = request.json(&json!({"status": "placing"})).answer().await;
        assert_eq!(answer.refused_field(422, "invalid_field"), "status");
    }
    assert_eq!(changes.count(), 2);
}

/// A gateway whose order service has two pages of orders.
async fn shop_with_orders() -> (Shop, Heard<ListAllOrdersRequest>) {
    let shop = Shop::open().await;
    let lists = shop.orders.on("ListAllOrders", |request: ListAllOrdersRequest| {
        let next_cursor = if request.cursor.is_empty() { "more" } else { "" };
        Ok(ListAllOrdersResponse { orders: vec![order()], next_cursor: next_cursor.to_owned() })
    });
    (shop, lists)
}

#[tokio::test]
async fn admins_search_all_orders() {
    let (shop, lists) = shop_with_orders().await;
    let query =
        format!("status=pending&userId={ID}&from=2026-11-21T09:30:00Z&to=2026-11-21T11:30:00%2B02:00");
    for path in ["/api/admin/orders", "/orders"] {
        let path = format!("{path}?{query}");
        shop.get(&path).bearer_auth(shop.identity.user()).answer().await.problem(403, "admin_only");
        assert_eq!(shop.get(&path).bearer_auth(shop.identity.admin()).answer().await.status, 200);
        let request = lists.last();
        assert_eq!((request.status(), request.user_id.as_str()), (OrderStatus::Pending, ID));
        assert_eq!(request.from, request.to);
        assert_eq!(request.from.unwrap().seconds, 1_795_253_400);
    }
    for (query, field) in [("from=yesterday", "from"), ("to=2026-11-21", "to"), ("userId=7", "userId")] {
        let request = shop.get(&format!("/api/admin/orders?{query}")).bearer_auth(shop.identity.admin());
        assert_eq!(request.answer().await.refused_field(400, "malformed_request"), field);
    }
}

#[tokio::test]
async fn the_legacy_list_is_an_array_with_a_link_to_the_next_page() {
    let (shop, lists) = shop_with_orders().await;
    let get = |path: &str| shop.get(path).bearer_auth(shop.identity.admin());
    let first = get("/orders?limit=1&status=pending").answer().await;
    let expected = json!([{
        "orderId": ID, "userId": "u", "totalPrice": 25.00, "status": "pending",
        "products": [{"productId": 3, "name": "Mug", "price": 12.50, "quantity": 2}],
        "createdAt": "1970-01-01T00:00:00Z", "updatedAt": "1970-01-01T00:00:00Z"
    }]);
    assert_eq!(first.json(), expected);
    let next = first.header("link").strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    assert_eq!(next, "/orders?limit=1&status=pending&cursor=more");

    let last = get(next).answer().await;
    assert_eq!(lists.last().cursor, "more");
    assert_eq!((last.status, last.header("link")), (200, ""));
    assert_eq!(last.json().as_array().map(Vec::len), Some(1));
}
