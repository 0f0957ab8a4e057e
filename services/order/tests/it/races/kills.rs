//! Processes that are killed at any time, with forms, codes, refunds and shipments.

use std::time::{Duration, Instant};

use bodega_proto::order::v1::{
    CreateRefundRequest, CreateShipmentRequest, Order, OrderStatus, PaymentStatus, PlaceOrderRequest,
    RefundStatus, ShipmentLine, ShippingBasis,
};
use bodega_runtime::{auth::Role, status::reason};
use futures_util::{StreamExt as _, stream};
use uuid::Uuid;

use crate::{
    replica::Client,
    returns::returning,
    rules::form,
    test_app::{MUG, PEN, TestApp, with_long_deadline},
};

/// Processes that run at the same time.
const CONCURRENCY: usize = 4;

/// Returns times from zero to more than a call takes.
fn kill_times(count: u64) -> impl Iterator<Item = Duration> {
    (0..count).map(move |n| Duration::from_micros(n * 30_000 / count)).chain([Duration::from_secs(2)])
}

/// Retries a call until it is not unavailable any more.
async fn retried<T>(mut call: impl AsyncFnMut() -> Result<T, tonic::Status>) -> Result<T, tonic::Status> {
    for _ in 0..60 {
        match with_long_deadline(call()).await {
            Err(status) if status.code() == tonic::Code::Unavailable => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            result => return result,
        }
    }
    panic!("the call does not end in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_time_uses_a_code_once() {
    let app = TestApp::start().await;
    app.set_taxes(&[("standard", 190_000)]).await;
    let method = app.create_shipping_method(ShippingBasis::Flat, &[(0, 490)]).await;
    let code = app.limited("HALF", 30).await;
    let request = PlaceOrderRequest {
        idempotency_key: "key".to_owned(),
        form: Some(form(Some(method), &["HALF"])),
        ..PlaceOrderRequest::default()
    };
    let users: Vec<_> = kill_times(60).map(|time| (time, app.user_with_cart(&[(MUG, 1)]))).collect();
    let killed: Vec<_> = stream::iter(&users)
        .map(async |(time, user)| {
            let request = request.clone();
            let call = |mut client: Client| async move { client.place_order(request).await };
            app.killed_after(*time, *user, call).await.is_none()
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let count = killed.iter().filter(|is_killed| **is_killed).count();
    assert!((1..users.len()).contains(&count), "{count} of {} were killed", users.len());
    app.assert_consistent().await;
    assert!(app.used(code.id).await <= 30);

    let mut placed = 0;
    for (_, user) in &users {
        let result = retried(async || app.client(*user).place_order(request.clone()).await).await;
        match result {
            Ok(response) => {
                placed += 1;
                let order = response.into_inner().order.unwrap();
                // 10.00 - 1.00 + 4.90, and 19 %.
                assert_eq!((order.total_minor, order.form), (1654, request.form.clone()));
                assert_eq!(app.orders_of(*user).await, 1);
            }
            Err(status) => {
                assert_eq!(reason(&status), "discount_rejected");
                assert_eq!(app.orders_of(*user).await, 0);
            }
        }
    }
    assert_eq!((placed, app.used(code.id).await), (30, 30));
    app.assert_consistent().await;
    assert_eq!(app.catalog.available(MUG), 1000 - 30);
}

/// Returns an order of three mugs and two pens with a discount, taxes and shipping, which is paid.
async fn paid(app: &TestApp, method: i32) -> Order {
    let user = app.user_with_cart(&[(MUG, 3), (PEN, 2)]);
    let order = app.place_form(user, "", form(Some(method), &["SALE"])).await.unwrap();
    app.update_status(&order.id, OrderStatus::Paid).await.unwrap()
}

async fn store_with_rules() -> (TestApp, i32) {
    let app = TestApp::start().await;
    app.set_taxes(&[("standard", 190_000)]).await;
    let method = app.create_shipping_method(ShippingBasis::Flat, &[(0, 490)]).await;
    app.limited("SALE", 1000).await;
    (app, method)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_during_a_refund_refunds_once() {
    let (app, method) = store_with_rules().await;
    let admin = Uuid::now_v7();
    let refunds: Vec<_> = stream::iter(kill_times(40))
        .map(async |time| {
            let order = paid(&app, method).await;
            let request = CreateRefundRequest {
                restock: true,
                shipping: true,
                ..returning(&order, &[(MUG, 1), (PEN, 2)])
            };
            let sent = request.clone();
            let call = |mut client: Client| async move { client.create_refund(sent).await };
            let result = app.killed_after_as(time, admin, Role::Admin, call).await;
            (order, request, result)
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    assert!(refunds.iter().any(|(.., result)| result.is_none()), "none was killed");
    let replica = app.replica().await;
    for (order, request, result) in refunds {
        let call = async || replica.client(admin, Role::Admin).create_refund(request.clone()).await;
        let refund = retried(call).await.unwrap().into_inner().refund.unwrap();
        if let Some(first) = result {
            assert_eq!(first.unwrap().into_inner().refund.unwrap().id, refund.id);
        }
        let found = with_ended_refunds(&app, &order.id).await;
        assert_eq!(found.refunds.len(), 1, "{found:?}");
        assert_eq!(found.refunds[0].status(), RefundStatus::Succeeded);
        let payment = found.payment.unwrap();
        assert_eq!(
            (payment.status(), payment.refunded_minor),
            (PaymentStatus::Completed, refund.amount_minor)
        );
        // What is left is refunded to the unit.
        app.refund(returning(&order, &[(MUG, 2)])).await.unwrap();
        let payment = app.get(&order.id).await.payment.unwrap();
        assert_eq!((payment.status(), payment.refunded_minor), (PaymentStatus::Refunded, order.total_minor));
    }
    replica.kill().await;
    wait_until_units_are_returned(&app).await;
    app.assert_returns_add_up().await;
    assert_eq!(app.catalog.available(PEN), 1000, "all pens are back");
}

/// Returns the order once no refund is pending: the worker completes that of a killed process.
async fn with_ended_refunds(app: &TestApp, id: &str) -> Order {
    let started = Instant::now();
    loop {
        let order = app.get(id).await;
        if order.refunds.iter().all(|refund| refund.status() != RefundStatus::Pending) {
            return order;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "a refund is still pending: {order:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn wait_until_units_are_returned(app: &TestApp) {
    let missing = "select count(*) from orders.refunds r where stock_returned_at is null
                   and exists (select from orders.refund_lines l where l.refund_id = r.id and l.quantity > 0)";
    let started = Instant::now();
    while sqlx::query_scalar::<_, i64>(missing).fetch_one(&app.db).await.unwrap() > 0 {
        assert!(started.elapsed() < Duration::from_secs(30), "the catalog is not notified");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_during_a_shipment_ships_once() {
    let (app, method) = store_with_rules().await;
    let admin = Uuid::now_v7();
    let shipments: Vec<_> = stream::iter(kill_times(40))
        .map(async |time| {
            let order = paid(&app, method).await;
            let request = CreateShipmentRequest {
                order_id: order.id.clone(),
                idempotency_key: Uuid::now_v7().to_string(),
                lines: vec![ShipmentLine { variant_id: MUG, quantity: 2 }],
                carrier: "DHL".to_owned(),
                ..CreateShipmentRequest::default()
            };
            let sent = request.clone();
            let call = |mut client: Client| async move { client.create_shipment(sent).await };
            let result = app.killed_after_as(time, admin, Role::Admin, call).await;
            (order, request, result)
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    assert!(shipments.iter().any(|(.., result)| result.is_none()), "none was killed");
    let replica = app.replica().await;
    for (order, request, _) in shipments {
        let call = async || replica.client(admin, Role::Admin).create_shipment(request.clone()).await;
        retried(call).await.unwrap();
        let found = app.get(&order.id).await;
        assert_eq!((found.shipments.len(), found.status()), (1, OrderStatus::Paid), "{found:?}");
        let shipped = app.update_status(&order.id, OrderStatus::Shipped).await.unwrap();
        let units: Vec<_> =
            shipped.shipments[1].lines.iter().map(|line| (line.variant_id, line.quantity)).collect();
        assert_eq!(units, [(MUG, 1), (PEN, 2)]);
    }
    replica.kill().await;
    app.assert_returns_add_up().await;
}
