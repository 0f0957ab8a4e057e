//! Who sees the reasons of refunds, and what the payment provider has responded.

use bodega_proto::order::v1::{
    CancelOrderRequest, CreateRefundRequest, GetOrderRequest, ListAllOrdersRequest, ListOrdersRequest, Order,
    OrderStatus::Paid, Refund,
};
use uuid::Uuid;

use crate::{
    returns::returning,
    test_app::{MUG, TestApp},
};

/// Refunds a unit of an order, which then fails, and returns what an admin sees.
async fn refund(app: &TestApp, order: &Order) -> Refund {
    app.update_status(&order.id, Paid).await.unwrap();
    let request = CreateRefundRequest { reason: "a fraud".to_owned(), ..returning(order, &[(MUG, 1)]) };
    let created = app.refund(request).await.unwrap();
    sqlx::query(
        "with failed as (
             update orders.refunds set status = 'failed', failure = 'internals', provider_refund_id = 're_1'
             where id = $1
             returning payment_id
         )
         update orders.payments set refunds_minor = 0 where id in (select payment_id from failed)",
    )
    .bind(created.id.parse::<Uuid>().unwrap())
    .execute(&app.db)
    .await
    .unwrap();
    app.get(&order.id).await.refunds.remove(0)
}

/// Returns the refund that a customer sees.
fn redacted(refund: &Refund) -> Refund {
    let empty = String::new;
    let refund = refund.clone();
    Refund { reason: empty(), failure: empty(), provider_refund_id: empty(), redacted: true, ..refund }
}

#[tokio::test]
async fn only_admins_see_why_an_order_was_refunded() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 2)]);
    let order = app.place(user, "key").await.unwrap();
    let refund = refund(&app, &order).await;
    assert_eq!((refund.reason.as_str(), refund.failure.as_str()), ("a fraud", "internals"));
    assert_eq!((refund.provider_refund_id.as_str(), refund.redacted), ("re_1", false));
    let redacted = [redacted(&refund)];
    let whole = [refund];
    let all = app.admin().list_all_orders(ListAllOrdersRequest::default()).await.unwrap().into_inner();
    assert_eq!(all.orders[0].refunds, whole);

    let request = GetOrderRequest { id: order.id.clone(), ..Default::default() };
    let found = app.client(user).get_order(request).await.unwrap().into_inner().order.unwrap();
    assert_eq!(found.refunds, redacted);
    let own = app.client(user).list_orders(ListOrdersRequest::default()).await.unwrap().into_inner();
    assert_eq!(own.orders[0].refunds, redacted);
    assert_eq!(app.place(user, "key").await.unwrap().refunds, redacted, "a retry");
    assert_eq!(app.cancel(user, &order.id).await.unwrap().refunds, redacted);
    let cancelled = app.admin().cancel_order(CancelOrderRequest { id: order.id, ..Default::default() }).await;
    assert_eq!(cancelled.unwrap().into_inner().order.unwrap().refunds, whole);
    let all = app.api_key("orders:read").list_all_orders(ListAllOrdersRequest::default()).await.unwrap();
    assert_eq!(all.into_inner().orders[0].refunds, whole);
}

#[tokio::test]
async fn guests_do_not_see_why_their_order_was_refunded() {
    let app = TestApp::start().await;
    let guest = app.guest_with_cart(&[(MUG, 2)]);
    let placed = app.place_as_guest(&guest, "key").await.unwrap();
    let (id, token) = (&placed.order.id, &placed.access_token);
    let redacted = [redacted(&refund(&app, &placed.order).await)];
    assert_eq!(app.open(id, token).await.unwrap().refunds, redacted);
    let mut admin = app.admin();
    let request = GetOrderRequest { id: id.clone(), access_token: token.clone() };
    let opened = admin.get_order(request).await.unwrap().into_inner().order.unwrap();
    assert_eq!(opened.refunds, redacted, "the token comes first");
    assert_eq!(app.place_as_guest(&guest, "key").await.unwrap().order.refunds, redacted, "a retry");
    assert_eq!(app.cancel_as_guest(id, token).await.unwrap().refunds, redacted);
    assert_eq!(app.claim(Uuid::now_v7(), id, token).await.unwrap().refunds, redacted);
}
