//! Orders along their states.

use bodega_proto::order::v1::{
    OrderStatus::{self, Cancelled, Completed, Confirmed, Paid, Pending, Shipped},
    Payment, PaymentStatus, UpdateOrderStatusRequest,
};
use bodega_runtime::auth::Role;
use tonic::Code;
use uuid::Uuid;

use crate::{
    faults::Fault,
    shop::{MUG, Shop, history, id, refused},
};

fn offline(status: PaymentStatus) -> Option<Payment> {
    Some(Payment { provider: "offline".to_owned(), status: status.into() })
}

#[tokio::test]
async fn an_order_goes_its_way_and_remembers_it() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 1)]).await;
    for status in [Confirmed, Paid, Shipped, Completed] {
        assert_eq!(shop.change(&order.id, status).await.unwrap().status(), status);
    }
    let order = shop.get(&order.id).await;
    assert_eq!(history(&order), [Pending, Confirmed, Paid, Shipped, Completed]);
    let times: Vec<_> = order.history.iter().map(|event| event.at.unwrap()).collect();
    assert!(times.is_sorted_by_key(|at| (at.seconds, at.nanos)));
    assert_eq!(order.updated_at, order.history[4].at);
    assert_eq!(order.created_at, order.history[0].at);
    shop.assert_sound().await;
}

#[tokio::test]
async fn every_move_that_is_not_allowed_names_both_states_and_changes_nothing() {
    let shop = Shop::open().await;
    let ways: [(OrderStatus, &[OrderStatus], &[OrderStatus]); 6] = [
        (Pending, &[], &[Pending, Shipped, Completed]),
        (Confirmed, &[Confirmed], &[Pending, Confirmed, Completed]),
        (Paid, &[Paid], &[Pending, Confirmed, Paid, Completed]),
        (Shipped, &[Paid, Shipped], &[Pending, Confirmed, Paid, Shipped, Cancelled]),
        (Completed, &[Paid, Shipped, Completed], &[Pending, Confirmed, Paid, Shipped, Completed, Cancelled]),
        (Cancelled, &[Cancelled], &[Pending, Confirmed, Paid, Shipped, Completed, Cancelled]),
    ];
    for (from, way, refused) in ways {
        let order = shop.order(&[(MUG, 1)]).await;
        for step in way {
            shop.change(&order.id, *step).await.unwrap();
        }
        let before = shop.get(&order.id).await;
        for to in refused {
            let status = shop.change(&order.id, *to).await.unwrap_err();
            assert_eq!(status.code(), Code::FailedPrecondition);
            assert_eq!(bodega_runtime::status::reason(&status), "invalid_transition");
            let name = |status: OrderStatus| status.as_str_name()["ORDER_STATUS_".len()..].to_lowercase();
            assert_eq!(status.message(), format!("a {} order cannot become {}", name(from), name(*to)));
        }
        assert_eq!(shop.get(&order.id).await, before);
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn money_that_an_admin_has_seen_is_a_payment_and_goes_back_with_a_cancelled_order() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 2)]).await;
    let paid = shop.change(&order.id, Paid).await.unwrap();
    assert_eq!(paid.payment, offline(PaymentStatus::Completed));
    let amount: (i64, String) =
        sqlx::query_as("select amount_minor, currency from orders.payments where order_id = $1")
            .bind(id(&order))
            .fetch_one(&shop.db)
            .await
            .unwrap();
    assert_eq!(amount, (order.total_minor, order.currency.clone()));

    let cancelled = shop.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    assert_eq!(cancelled.payment, offline(PaymentStatus::Refunded));
    assert_eq!(history(&cancelled), [Pending, Paid, Cancelled]);
    assert_eq!(shop.catalog.left(MUG), 1000);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_cancelled_order_that_was_never_paid_has_no_payment() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 1)]).await;
    let cancelled = shop.change(&order.id, Cancelled).await.unwrap();
    assert_eq!(cancelled.payment, None);
    assert_eq!(shop.catalog.left(MUG), 1000, "the stock is back when the answer is there");
    shop.assert_sound().await;
}

#[tokio::test]
async fn an_order_is_cancelled_while_the_catalog_is_down_and_its_stock_comes_back_later() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 1)]).await;
    shop.catalog.faults().always("Release", Fault::Down);
    let cancelled = shop.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    assert_eq!(cancelled.status(), Cancelled);
    assert_eq!(shop.catalog.left(MUG), 999);
    shop.catalog.faults().mend();
    shop.assert_sound().await;
    assert_eq!(shop.catalog.gave_back(id(&order)), 1);
}

#[tokio::test]
async fn somebody_elses_order_cannot_be_cancelled_and_does_not_show() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 1)]).await;
    assert_eq!(refused(shop.cancel(Uuid::now_v7(), &order.id).await), "order_not_found");
    assert_eq!(shop.get(&order.id).await.status(), Pending);
}

#[tokio::test]
async fn only_admins_move_orders() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 1)]).await;
    let request = UpdateOrderStatusRequest { id: order.id.clone(), status: Confirmed.into() };
    let mut owner = shop.client(order.user_id.parse().unwrap());
    let status = owner.update_order_status(request).await.unwrap_err();
    assert_eq!(
        (status.code(), bodega_runtime::status::reason(&status).as_str()),
        (Code::PermissionDenied, "admin_only")
    );
}

#[tokio::test]
async fn an_admin_cancels_anybodys_order_and_is_named_in_its_events() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 1)]).await;
    let admin = Uuid::now_v7();
    let replica = shop.replica().await;
    let request = bodega_proto::order::v1::CancelOrderRequest { id: order.id.clone() };
    replica.client(admin, Role::Admin).cancel_order(request).await.unwrap();
    let actors: Vec<Uuid> =
        sqlx::query_scalar("select actor from orders.order_events where order_id = $1 order by id")
            .bind(id(&order))
            .fetch_all(&shop.db)
            .await
            .unwrap();
    assert_eq!(actors, [order.user_id.parse().unwrap(), admin]);
    replica.kill().await;
}

#[tokio::test]
async fn a_status_that_no_order_can_have_is_refused() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 1)]).await;
    for status in [0, 7, -1] {
        let request = UpdateOrderStatusRequest { id: order.id.clone(), status };
        let refused = shop.admin().update_order_status(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{status}");
    }
    let unknown = Uuid::now_v7().to_string();
    assert_eq!(refused(shop.change(&unknown, Confirmed).await), "order_not_found");
}
