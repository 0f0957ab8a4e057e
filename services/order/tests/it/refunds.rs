//! Refunds of parts of offline payments, and the units that they return.

use bodega_proto::order::v1::{
    CreateRefundRequest, Order,
    OrderStatus::{Cancelled, Paid, Shipped},
    PaymentStatus, RefundStatus, ReturnedLine,
};
use bodega_runtime::auth::Role;
use futures_util::future::join_all;
use uuid::Uuid;

use crate::{
    faults::Fault,
    returns::{refunding, returning},
    test_app::{MUG, MUG_PRICE, PEN, PEN_PRICE, TestApp, error_reason, id, violations},
};

/// An order of three mugs and a pen that is paid offline.
async fn paid(app: &TestApp) -> Order {
    let order = app.new_order(&[(MUG, 3), (PEN, 1)]).await;
    app.update_status(&order.id, Paid).await.unwrap()
}

/// The status of the payment, and the refunded amount.
async fn payment(app: &TestApp, order: &Order) -> (PaymentStatus, i64) {
    let payment = app.get(&order.id).await.payment.unwrap();
    (payment.status(), payment.refunded_minor)
}

impl TestApp {
    /// Checks that the counters of lines and payments are the sums of refunds and shipments.
    pub(crate) async fn assert_returns_add_up(&self) {
        let wrong: Vec<(Uuid, i32)> = sqlx::query_as(
            "select i.order_id, i.product_id
             from orders.order_items i
             cross join lateral (
                 select coalesce(sum(l.quantity) filter (where f.status <> 'failed' or f.accepted_at is not null), 0) as returned,
                        coalesce(sum(l.unshipped_quantity) filter (where f.status <> 'failed' or f.accepted_at is not null), 0)
                            as unshipped,
                        coalesce(sum(l.amount_minor) filter (where f.status <> 'failed'), 0) as refunded
                 from orders.refund_lines l join orders.refunds f on f.id = l.refund_id
                 where l.order_id = i.order_id and l.product_id = i.product_id
             ) as refunds
             cross join lateral (
                 select coalesce(sum(l.quantity), 0) as shipped from orders.shipment_lines l
                 where l.order_id = i.order_id and l.product_id = i.product_id
             ) as shipments
             where (i.returned_quantity, i.unshipped_quantity, i.refunded_minor, i.shipped_quantity)
                 <> (refunds.returned, refunds.unshipped, refunds.refunded, shipments.shipped)",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        assert_eq!(wrong, []);
        let wrong: Vec<Uuid> = sqlx::query_scalar(
            "select p.id from orders.payments p
             where p.refunds_minor <> (
                 select coalesce(sum(f.amount_minor), 0) from orders.refunds f
                 where f.payment_id = p.id and f.status <> 'failed'
             )
             union
             select f.id from orders.refunds f
             where f.amount_minor <> f.shipping_minor + coalesce(
                 (select sum(l.amount_minor) from orders.refund_lines l where l.refund_id = f.id), 0
             )
             union
             select o.id from orders.orders o
             where o.has_shipments <> exists (select from orders.shipments s where s.order_id = o.id)",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        assert_eq!(wrong, Vec::<Uuid>::new());
        self.assert_consistent().await;
    }
}

#[tokio::test]
async fn returned_units_give_back_their_price_and_the_stock_if_requested() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    let refund =
        app.refund(CreateRefundRequest { restock: true, ..returning(&order, &[(MUG, 1)]) }).await.unwrap();
    assert_eq!((refund.status(), refund.amount_minor), (RefundStatus::Succeeded, MUG_PRICE));
    assert_eq!(app.catalog.available(MUG), 998);
    assert_eq!(payment(&app, &order).await, (PaymentStatus::Completed, MUG_PRICE));
    app.refund(returning(&order, &[(PEN, 1)])).await.unwrap();
    assert_eq!(app.catalog.available(PEN), 999, "it is not added back");

    let found = app.get(&order.id).await;
    assert_eq!((found.status(), found.refunds.len()), (Paid, 2));
    assert_eq!(found.refunds[0], refund);
    assert!(found.updated_at.unwrap().seconds >= order.updated_at.unwrap().seconds);

    app.refund(returning(&order, &[(MUG, 2)])).await.unwrap();
    let all = (PaymentStatus::Refunded, 3 * MUG_PRICE + PEN_PRICE);
    assert_eq!(payment(&app, &order).await, all);
    assert_eq!(app.get(&order.id).await.status(), Paid, "the status of the order does not change");
    let error = app.refund(returning(&order, &[(MUG, 1)])).await.unwrap_err();
    assert_eq!(bodega_runtime::status::reason(&error), "refund_exceeds_paid");
    assert_eq!(violations(&error)[0].0, "lines[0].quantity");
    app.assert_returns_add_up().await;
}

#[tokio::test]
async fn an_amount_is_divided_among_the_lines() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    let refund = app.refund(refunding(&order, 1300)).await.unwrap();
    let lines: Vec<_> =
        refund.lines.iter().map(|line| (line.variant_id, line.quantity, line.amount_minor)).collect();
    assert_eq!(lines, [(MUG, 0, 1200), (PEN, 0, 100)]);
    assert_eq!(app.catalog.return_count(), 0, "no unit is returned");
    let error = app.refund(refunding(&order, 1951)).await.unwrap_err();
    assert_eq!(
        violations(&error),
        [("amount_minor".to_owned(), "exceeds the 19.50 USD that can be refunded".to_owned())]
    );
    app.refund(refunding(&order, 1950)).await.unwrap();
    assert_eq!(payment(&app, &order).await, (PaymentStatus::Refunded, order.total_minor));
    app.assert_returns_add_up().await;
}

#[tokio::test]
async fn an_idempotency_key_gives_one_refund() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    let admin = Uuid::now_v7();
    let replica = app.replica().await;
    let request = returning(&order, &[(MUG, 1)]);
    let calls = (0..20).map(|_| {
        let mut client = replica.client(admin, Role::Admin);
        let request = request.clone();
        async move { client.create_refund(request).await.unwrap().into_inner().refund.unwrap().id }
    });
    let mut ids = join_all(calls).await;
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let mut client = replica.client(admin, Role::Admin);
    let other = CreateRefundRequest { restock: true, ..request.clone() };
    assert_eq!(error_reason(client.create_refund(other).await), "idempotency_key_reused");
    let second = paid(&app).await;
    let other = CreateRefundRequest { order_id: second.id, ..request.clone() };
    assert_eq!(error_reason(client.create_refund(other).await), "idempotency_key_reused");
    let without = CreateRefundRequest { idempotency_key: String::new(), ..request };
    assert_eq!(error_reason(client.create_refund(without).await), "invalid_field");
    assert_eq!(payment(&app, &order).await, (PaymentStatus::Completed, MUG_PRICE));
    replica.kill().await;
    app.assert_returns_add_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parallel_refunds_that_exceed_the_payment_one_succeeds() {
    let app = TestApp::start().await;
    for _ in 0..3 {
        let order = paid(&app).await;
        let sixty_percent = order.total_minor * 6 / 10;
        let refunds = join_all((0..50).map(|_| app.refund(refunding(&order, sixty_percent)))).await;
        let (refunded, rejected): (Vec<_>, Vec<_>) = refunds.into_iter().partition(Result::is_ok);
        assert_eq!(refunded.len(), 1);
        assert!(rejected.into_iter().all(|error| error_reason(error) == "refund_exceeds_paid"));
        assert_eq!(payment(&app, &order).await, (PaymentStatus::Completed, sixty_percent));
    }
    app.assert_returns_add_up().await;
}

#[tokio::test]
async fn the_database_rejects_refunds_of_more_than_was_paid() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    let exceed = "update orders.payments set refunds_minor = amount_minor + 1 where order_id = $1";
    let error = sqlx::query(exceed).bind(id(&order)).execute(&app.db).await.unwrap_err();
    assert!(error.to_string().contains("refunds_do_not_exceed_the_payment"), "{error}");
}

#[tokio::test]
async fn unpaid_orders_and_unknown_lines_are_not_refunded() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    assert_eq!(error_reason(app.refund(refunding(&order, 1)).await), "not_paid");
    app.update_status(&order.id, Paid).await.unwrap();
    assert_eq!(error_reason(app.refund(returning(&order, &[(PEN, 1)])).await), "invalid_field");
    let unknown = CreateRefundRequest { order_id: Uuid::now_v7().to_string(), ..refunding(&order, 1) };
    assert_eq!(error_reason(app.refund(unknown).await), "order_not_found");
    let mut owner = app.client(order.user_id.parse().unwrap());
    assert_eq!(error_reason(owner.create_refund(refunding(&order, 1)).await), "admin_only");
    assert_eq!(payment(&app, &order).await, (PaymentStatus::Completed, 0));
}

#[tokio::test]
async fn cancelling_refunds_and_releases_the_rest() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    app.refund(CreateRefundRequest { restock: true, ..returning(&order, &[(MUG, 1)]) }).await.unwrap();
    app.refund(returning(&order, &[(MUG, 1)])).await.unwrap();
    let cancelled = app.update_status(&order.id, Cancelled).await.unwrap();
    assert_eq!(cancelled.payment.unwrap().status(), PaymentStatus::Refunded);
    assert_eq!((app.catalog.available(MUG), app.catalog.available(PEN)), (999, 1000), "one mug is lost");
    assert_eq!(error_reason(app.refund(refunding(&order, 1)).await), "not_paid");
    app.assert_returns_add_up().await;
}

#[tokio::test]
async fn units_are_returned_once_the_catalog_is_available_and_before_the_rest_is_released() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    app.catalog.faults().always("ReturnUnits", Fault::Down);
    let refund = app.refund(returning(&order, &[(MUG, 1)])).await.unwrap();
    assert_eq!(refund.status(), RefundStatus::Succeeded);
    app.update_status(&order.id, Cancelled).await.unwrap();
    assert_eq!(app.catalog.available(MUG), 997, "nothing is released before the catalog knows the return");
    app.catalog.faults().clear();
    app.assert_returns_add_up().await;
    assert_eq!((app.catalog.return_count(), app.catalog.available(MUG)), (1, 999));
}

#[tokio::test]
async fn a_lost_response_of_the_catalog_returns_units_once() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    app.catalog.faults().once("ReturnUnits", Fault::ResponseLost);
    app.refund(CreateRefundRequest { restock: true, ..returning(&order, &[(MUG, 2)]) }).await.unwrap();
    let started = std::time::Instant::now();
    let unreturned = "select count(*) from orders.refunds where stock_returned_at is null";
    while sqlx::query_scalar::<_, i64>(unreturned).fetch_one(&app.db).await.unwrap() > 0 {
        assert!(started.elapsed() < std::time::Duration::from_secs(30), "the catalog is not notified again");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!((app.catalog.return_count(), app.catalog.available(MUG)), (1, 999));
    app.assert_returns_add_up().await;
}

#[tokio::test]
async fn unshipped_units_that_are_refunded_are_not_shipped() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    let line = ReturnedLine { variant_id: MUG, quantity: 1, unshipped_quantity: Some(1) };
    app.refund(CreateRefundRequest { lines: vec![line], ..returning(&order, &[]) }).await.unwrap();
    let shipped = app.update_status(&order.id, Shipped).await.unwrap();
    let lines: Vec<_> =
        shipped.shipments[0].lines.iter().map(|line| (line.variant_id, line.quantity)).collect();
    assert_eq!(lines, [(MUG, 2), (PEN, 1)]);
    let not_shipped = ReturnedLine { variant_id: MUG, quantity: 1, unshipped_quantity: Some(1) };
    let request = CreateRefundRequest { lines: vec![not_shipped], ..returning(&order, &[]) };
    assert_eq!(error_reason(app.refund(request).await), "refund_exceeds_paid");
    app.refund(returning(&order, &[(MUG, 2), (PEN, 1)])).await.unwrap();
    assert_eq!(payment(&app, &order).await, (PaymentStatus::Refunded, order.total_minor));
    app.assert_returns_add_up().await;
}
