//! Status changes of orders.

use bodega_proto::order::v1::{
    OrderStatus::{self, Cancelled, Completed, Confirmed, Paid, Pending, Shipped},
    Payment, PaymentStatus, UpdateOrderStatusRequest,
};
use bodega_runtime::auth::Role;
use tonic::Code;
use uuid::Uuid;

use crate::{
    faults::Fault,
    test_app::{MUG, TestApp, error_reason, history, id},
};

fn offline(status: PaymentStatus, refunded_minor: i64) -> Option<Payment> {
    let provider = "offline".to_owned();
    Some(Payment { provider, status: status.into(), refunded_minor, ..Payment::default() })
}

#[tokio::test]
async fn status_changes_are_recorded_in_the_history() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    for status in [Confirmed, Paid, Shipped, Completed] {
        assert_eq!(app.update_status(&order.id, status).await.unwrap().status(), status);
    }
    let order = app.get(&order.id).await;
    assert_eq!(history(&order), [Pending, Confirmed, Paid, Shipped, Completed]);
    let times: Vec<_> = order.history.iter().map(|event| event.at.unwrap()).collect();
    assert!(times.is_sorted_by_key(|at| (at.seconds, at.nanos)));
    assert_eq!(order.updated_at, order.history[4].at);
    assert_eq!(order.created_at, order.history[0].at);
    app.assert_consistent().await;
}

#[tokio::test]
async fn invalid_status_changes_name_both_statuses_and_change_nothing() {
    let app = TestApp::start().await;
    let cases: [(OrderStatus, &[OrderStatus], &[OrderStatus]); 6] = [
        (Pending, &[], &[Pending, Shipped, Completed]),
        (Confirmed, &[Confirmed], &[Pending, Confirmed, Completed]),
        (Paid, &[Paid], &[Pending, Confirmed, Paid, Completed]),
        (Shipped, &[Paid, Shipped], &[Pending, Confirmed, Paid, Shipped, Cancelled]),
        (Completed, &[Paid, Shipped, Completed], &[Pending, Confirmed, Paid, Shipped, Completed, Cancelled]),
        (Cancelled, &[Cancelled], &[Pending, Confirmed, Paid, Shipped, Completed, Cancelled]),
    ];
    for (from, steps, rejected) in cases {
        let order = app.new_order(&[(MUG, 1)]).await;
        for step in steps {
            app.update_status(&order.id, *step).await.unwrap();
        }
        let before = app.get(&order.id).await;
        for to in rejected {
            let status = app.update_status(&order.id, *to).await.unwrap_err();
            assert_eq!(status.code(), Code::FailedPrecondition);
            assert_eq!(bodega_runtime::status::reason(&status), "invalid_transition");
            let name = |status: OrderStatus| status.as_str_name()["ORDER_STATUS_".len()..].to_lowercase();
            assert_eq!(status.message(), format!("a {} order cannot become {}", name(from), name(*to)));
        }
        assert_eq!(app.get(&order.id).await, before);
    }
    app.assert_consistent().await;
}

#[tokio::test]
async fn an_offline_payment_is_refunded_when_the_order_is_cancelled() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 2)]).await;
    let paid = app.update_status(&order.id, Paid).await.unwrap();
    assert_eq!(paid.payment, offline(PaymentStatus::Completed, 0));
    let amount: (i64, String) =
        sqlx::query_as("select amount_minor, currency from orders.payments where order_id = $1")
            .bind(id(&order))
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert_eq!(amount, (order.total_minor, order.currency.clone()));

    let cancelled = app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    assert_eq!(cancelled.payment, offline(PaymentStatus::Refunded, order.total_minor));
    assert_eq!(history(&cancelled), [Pending, Paid, Cancelled]);
    assert_eq!(app.catalog.available(MUG), 1000);
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_cancelled_order_that_was_never_paid_has_no_payment() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let cancelled = app.update_status(&order.id, Cancelled).await.unwrap();
    assert_eq!(cancelled.payment, None);
    assert_eq!(app.catalog.available(MUG), 1000, "released when the call returns");
    app.assert_consistent().await;
}

#[tokio::test]
async fn cancelling_works_while_the_catalog_is_unavailable() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    app.catalog.faults().always("Release", Fault::Down);
    let cancelled = app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    assert_eq!(cancelled.status(), Cancelled);
    assert_eq!(app.catalog.available(MUG), 999);
    app.catalog.faults().clear();
    app.assert_consistent().await;
    assert_eq!(app.catalog.release_count(id(&order)), 1);
}

#[tokio::test]
async fn cancelling_again_returns_the_order_as_it_is() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let owner = order.user_id.parse().unwrap();
    let cancelled = app.cancel(owner, &order.id).await.unwrap();
    assert_eq!(app.cancel(owner, &order.id).await.unwrap(), cancelled);
    assert_eq!(error_reason(app.update_status(&order.id, Cancelled).await), "invalid_transition");
    assert_eq!(app.catalog.release_count(id(&order)), 1);
    let shipped = app.new_order(&[(MUG, 1)]).await;
    for status in [Confirmed, Shipped] {
        app.update_status(&shipped.id, status).await.unwrap();
    }
    let cancelled = app.cancel(shipped.user_id.parse().unwrap(), &shipped.id).await;
    assert_eq!(error_reason(cancelled), "invalid_transition");
    app.assert_consistent().await;
}

#[tokio::test]
async fn rejects_cancelling_another_users_order() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    assert_eq!(error_reason(app.cancel(Uuid::now_v7(), &order.id).await), "order_not_found");
    assert_eq!(app.get(&order.id).await.status(), Pending);
}

#[tokio::test]
async fn only_admins_change_statuses() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let request = UpdateOrderStatusRequest { id: order.id.clone(), status: Confirmed.into() };
    let mut owner = app.client(order.user_id.parse().unwrap());
    let status = owner.update_order_status(request).await.unwrap_err();
    assert_eq!(
        (status.code(), bodega_runtime::status::reason(&status).as_str()),
        (Code::PermissionDenied, "admin_only")
    );
}

#[tokio::test]
async fn an_admin_cancels_any_order_and_is_recorded_as_actor() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let admin = Uuid::now_v7();
    let replica = app.replica().await;
    let request = bodega_proto::order::v1::CancelOrderRequest { id: order.id.clone(), ..Default::default() };
    replica.client(admin, Role::Admin).cancel_order(request).await.unwrap();
    let actors: Vec<Uuid> =
        sqlx::query_scalar("select actor from orders.order_events where order_id = $1 order by id")
            .bind(id(&order))
            .fetch_all(&app.db)
            .await
            .unwrap();
    assert_eq!(actors, [order.user_id.parse().unwrap(), admin]);
    replica.kill().await;
}

#[tokio::test]
async fn rejects_an_unknown_status() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    for status in [0, 7, -1] {
        let request = UpdateOrderStatusRequest { id: order.id.clone(), status };
        let error = app.admin().update_order_status(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{status}");
    }
    let unknown = Uuid::now_v7().to_string();
    assert_eq!(error_reason(app.update_status(&unknown, Confirmed).await), "order_not_found");
}
