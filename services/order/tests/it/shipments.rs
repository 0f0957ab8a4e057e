//! Shipments of parts of an order.

use bodega_mail::testing::SmtpServer;
use bodega_order::{OrderMail, OrderMailArgs};
use bodega_proto::order::v1::{
    CreateShipmentRequest, Order,
    OrderStatus::{Cancelled, Confirmed, Paid, Pending, Shipped},
    PaymentStatus, Shipment, ShipmentLine, UpdateOrderStatusRequest,
};
use bodega_runtime::auth::Role;
use futures_util::future::join_all;
use uuid::Uuid;

use crate::{
    fake_contacts::address,
    returns::{refunding, returning},
    test_app::{MUG, PEN, TestApp, error_reason, history, id, violations},
};

fn parcel(order: &Order, lines: &[(i32, i32)]) -> CreateShipmentRequest {
    let line =
        |(variant_id, quantity): &(i32, i32)| ShipmentLine { variant_id: *variant_id, quantity: *quantity };
    CreateShipmentRequest {
        order_id: order.id.clone(),
        lines: lines.iter().map(line).collect(),
        ..Default::default()
    }
}

async fn paid(app: &TestApp) -> Order {
    let order = app.new_order(&[(MUG, 3), (PEN, 1)]).await;
    app.update_status(&order.id, Paid).await.unwrap()
}

fn units(shipment: &Shipment) -> Vec<(i32, i32)> {
    shipment.lines.iter().map(|line| (line.variant_id, line.quantity)).collect()
}

#[tokio::test]
async fn an_order_is_shipped_with_its_last_unit() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    let request = CreateShipmentRequest {
        carrier: "DHL".to_owned(),
        tracking_number: "0034".to_owned(),
        tracking_url: "https://carrier.example/0034".to_owned(),
        ..parcel(&order, &[(MUG, 2)])
    };
    let first = app.ship(request).await.unwrap();
    assert_eq!((first.carrier.as_str(), units(&first)), ("DHL", vec![(MUG, 2)]));
    let found = app.get(&order.id).await;
    assert_eq!((found.status(), &found.shipments), (Paid, &vec![first]));

    let error = app.ship(parcel(&order, &[(MUG, 2), (PEN, 1)])).await.unwrap_err();
    assert_eq!(bodega_runtime::status::reason(&error), "shipment_exceeds_order");
    assert_eq!(violations(&error), [("lines[0].quantity".to_owned(), "only 1 left to ship".to_owned())]);
    assert_eq!(error_reason(app.ship(parcel(&order, &[(7, 1)])).await), "invalid_field");

    let last = app.ship(parcel(&order, &[])).await.unwrap();
    assert_eq!(units(&last), [(MUG, 1), (PEN, 1)]);
    let found = app.get(&order.id).await;
    assert_eq!((found.status(), found.shipments.len()), (Shipped, 2));
    assert_eq!(history(&found), [Pending, Paid, Shipped]);
    assert_eq!(error_reason(app.ship(parcel(&order, &[])).await), "invalid_transition");
    app.assert_returns_add_up().await;
}

#[tokio::test]
async fn changing_the_status_ships_the_rest() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    app.ship(parcel(&order, &[(PEN, 1)])).await.unwrap();
    let shipped = app.update_status(&order.id, Shipped).await.unwrap();
    assert_eq!(shipped.shipments.iter().map(units).collect::<Vec<_>>(), [vec![(PEN, 1)], vec![(MUG, 3)]]);
    let confirmed = app.new_order(&[(MUG, 1)]).await;
    app.update_status(&confirmed.id, Confirmed).await.unwrap();
    let shipped = app.update_status(&confirmed.id, Shipped).await.unwrap();
    assert_eq!(shipped.shipments.iter().map(units).collect::<Vec<_>>(), [[(MUG, 1)]]);
    app.assert_returns_add_up().await;
}

#[tokio::test]
async fn a_partly_shipped_order_cannot_be_cancelled() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    app.ship(parcel(&order, &[(MUG, 1)])).await.unwrap();
    let owner = order.user_id.parse().unwrap();
    assert_eq!(error_reason(app.cancel(owner, &order.id).await), "invalid_transition");
    assert_eq!(error_reason(app.update_status(&order.id, Cancelled).await), "invalid_transition");
    // A version before shipments does not ask.
    let cancel = "update orders.orders set status = 'cancelled' where id = $1";
    let error = sqlx::query(cancel).bind(id(&order)).execute(&app.db).await.unwrap_err();
    assert!(error.to_string().contains("was shipped in part"), "{error}");
    app.assert_returns_add_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn either_cancelling_or_shipping_a_part_succeeds() {
    let app = TestApp::start().await;
    for round in 0..20 {
        let order = paid(&app).await;
        let cancel = async {
            tokio::time::sleep(std::time::Duration::from_millis(round)).await;
            app.update_status(&order.id, Cancelled).await
        };
        let (cancelled, shipped) = tokio::join!(cancel, app.ship(parcel(&order, &[(MUG, 1)])));
        match (cancelled, shipped) {
            (Ok(_), Err(lost)) => assert_eq!(lost.message(), "a cancelled order cannot be shipped"),
            (Err(lost), Ok(_)) => {
                assert_eq!(lost.message(), "an order that was shipped in part cannot be cancelled");
            }
            both => panic!("{both:?}"),
        }
    }
    app.assert_returns_add_up().await;
}

#[tokio::test]
async fn only_confirmed_and_paid_orders_are_shipped_by_admins() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    assert_eq!(error_reason(app.ship(parcel(&order, &[])).await), "invalid_transition");
    let mut owner = app.client(order.user_id.parse().unwrap());
    assert_eq!(error_reason(owner.create_shipment(parcel(&order, &[])).await), "admin_only");
    let unknown = CreateShipmentRequest { order_id: Uuid::now_v7().to_string(), ..Default::default() };
    assert_eq!(error_reason(app.ship(unknown).await), "order_not_found");
    assert_eq!(app.get(&order.id).await.shipments, []);
}

#[tokio::test]
async fn a_tracking_url_has_no_control_characters() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    for tracking_url in
        ["https://carrier.example/\0x", "https://carrier.example/\nx", "https://carrier.example/\t"]
    {
        let request = CreateShipmentRequest { tracking_url: tracking_url.to_owned(), ..parcel(&order, &[]) };
        let error = app.ship(request).await.unwrap_err();
        let message = "must be an http or https URL of at most 500 bytes";
        assert_eq!(violations(&error), [("tracking_url".to_owned(), message.to_owned())], "{tracking_url:?}");
    }
    assert_eq!(app.get(&order.id).await.shipments, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_shipments_ship_each_unit_once() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 10)]).await;
    app.update_status(&order.id, Paid).await.unwrap();
    let shipments = join_all((0..30).map(|_| app.ship(parcel(&order, &[(MUG, 1)])))).await;
    assert_eq!(shipments.iter().filter(|shipment| shipment.is_ok()).count(), 10);
    assert_eq!(app.get(&order.id).await.status(), Shipped);
    app.assert_returns_add_up().await;
}

#[tokio::test]
async fn an_idempotency_key_gives_one_shipment() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    let replica = app.replica().await;
    let admin = Uuid::now_v7();
    let request = CreateShipmentRequest { idempotency_key: "k".to_owned(), ..parcel(&order, &[(MUG, 1)]) };
    let calls = (0..10).map(|_| {
        let (mut client, request) = (replica.client(admin, Role::Admin), request.clone());
        async move { client.create_shipment(request).await.unwrap().into_inner().shipment.unwrap().id }
    });
    let mut ids = join_all(calls).await;
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let other = CreateShipmentRequest { carrier: "DHL".to_owned(), ..request };
    let reused = replica.client(admin, Role::Admin).create_shipment(other).await;
    assert_eq!(error_reason(reused), "idempotency_key_reused");
    assert_eq!(app.get(&order.id).await.shipments.len(), 1);
    replica.kill().await;
    app.assert_returns_add_up().await;
}

#[tokio::test]
async fn an_order_in_two_parcels_of_which_some_is_returned_adds_up() {
    let app = TestApp::start().await;
    let order = paid(&app).await;
    app.ship(parcel(&order, &[(MUG, 2)])).await.unwrap();
    app.ship(parcel(&order, &[])).await.unwrap();
    let mut refunded = 0;
    for request in
        [returning(&order, &[(MUG, 1)]), refunding(&order, 333), returning(&order, &[(MUG, 2), (PEN, 1)])]
    {
        refunded += app.refund(request).await.unwrap().amount_minor;
        assert_eq!(app.get(&order.id).await.payment.unwrap().refunded_minor, refunded);
    }
    let found = app.get(&order.id).await;
    assert_eq!((refunded, found.status()), (order.total_minor, Shipped));
    assert_eq!(found.payment.unwrap().status(), PaymentStatus::Refunded);
    app.assert_returns_add_up().await;
}

#[tokio::test]
async fn customers_are_notified_of_parcels_and_refunds() {
    let server = SmtpServer::start().await;
    let mail = OrderMail { mailer: Some(server.mailer()), args: OrderMailArgs::default() };
    let app = TestApp::with_mail(mail).await;
    let order = paid(&app).await;
    let request = CreateShipmentRequest { tracking_number: "0034".to_owned(), ..parcel(&order, &[(MUG, 2)]) };
    app.ship(request).await.unwrap();
    app.refund(returning(&order, &[(MUG, 1)])).await.unwrap();
    let request = UpdateOrderStatusRequest { id: order.id.clone(), status: Shipped.into() };
    app.admin().update_order_status(request).await.unwrap();
    let to = address(order.user_id.parse().unwrap());
    let mails = server.wait_for(5, |mail| mail.recipients[0].contains(&to)).await;
    let text = |subject: &str| {
        let mail = mails.iter().find(|mail| mail.header("Subject").contains(subject));
        mail.unwrap_or_else(|| panic!("no mail about {subject}: {mails:?}")).data.clone()
    };
    let parcel = text("A part of your order");
    assert!(parcel.contains("2 x Mug") && parcel.contains("Tracking number: 0034"), "{parcel}");
    assert!(text("Refund for order").contains("USD 10.00"));
    text("is on its way");
}
