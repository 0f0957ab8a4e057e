//! Limits of unpaid orders: how long they hold their stock, and how many a user may have.

use std::time::{Duration, Instant};

use bodega_order::{PaymentArgs, PaymentProviders};
use bodega_proto::order::v1::{
    CreatePaymentIntentRequest, Order,
    OrderStatus::{self, Cancelled, Confirmed, Paid, Pending},
};
use clap::Parser;
use futures_util::future::join_all;

use crate::{
    replica::MAX_PENDING_ORDERS,
    test_app::{MUG, PEN, TestApp, error_reason, history, id},
};

/// Stock is back within this time after the end of the window.
const SOON: Duration = Duration::from_secs(10);

fn offline(window: &str) -> PaymentProviders {
    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        payments: PaymentArgs,
    }
    Cli::parse_from(["order", "--offline-window", window]).payments.providers().unwrap()
}

async fn wait_for(app: &TestApp, order: &Order, status: OrderStatus) -> Order {
    let started = Instant::now();
    loop {
        let order = app.get(&order.id).await;
        if order.status() == status {
            return order;
        }
        assert!(started.elapsed() < SOON, "not {status:?}: {order:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn unpaid_orders_expire_without_a_payment_and_return_their_stock_once() {
    let app = TestApp::with_providers(offline("2s")).await;
    let replica = app.replica().await;
    let unpaid = app.new_order(&[(MUG, 400), (PEN, 1000)]).await;
    let started = app.new_order(&[(MUG, 1)]).await;
    let request = CreatePaymentIntentRequest { id: started.id.clone(), ..Default::default() };
    app.client(started.user_id.parse().unwrap()).create_payment_intent(request).await.unwrap();
    let (confirmed, paid) = (app.new_order(&[(MUG, 1)]).await, app.new_order(&[(MUG, 1)]).await);
    app.update_status(&confirmed.id, Confirmed).await.unwrap();
    app.update_status(&paid.id, Paid).await.unwrap();

    let expired = wait_for(&app, &unpaid, Cancelled).await;
    assert_eq!((history(&expired), expired.payment), (vec![Pending, Cancelled], None));
    let started = wait_for(&app, &started, Cancelled).await;
    assert!(started.payment.unwrap().cancelled, "no money arrived");
    app.assert_consistent().await;
    assert_eq!((app.catalog.available(MUG), app.catalog.available(PEN)), (998, 1000));
    assert_eq!(app.catalog.release_count(id(&unpaid)), 1);
    assert_eq!(app.get(&confirmed.id).await.status(), Confirmed);
    assert_eq!(app.get(&paid.id).await.status(), Paid);

    let rejected = app.update_status(&unpaid.id, Paid).await;
    assert_eq!(error_reason(rejected), "invalid_transition", "it cannot be paid any more");
    replica.kill().await;
}

/// An admin marks each order as paid about when it expires: it is either paid or cancelled.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_at_the_moment_of_expiry_is_kept_or_rejected() {
    let app = TestApp::with_providers(offline("1s")).await;
    let replicas = [app.replica().await, app.replica().await];
    let orders: Vec<_> = join_all((0..24).map(|_| app.new_order(&[(MUG, 1)]))).await;
    let pay = async |(delay, order): (u32, &Order)| {
        tokio::time::sleep(Duration::from_millis(900) + delay * Duration::from_millis(25)).await;
        app.update_status(&order.id, Paid).await
    };
    let results = join_all((0..).zip(&orders).map(pay)).await;
    let mut paid = 0;
    for (order, result) in orders.iter().zip(results) {
        let order = match result {
            Ok(_) => wait_for(&app, order, Paid).await,
            Err(error) => {
                assert_eq!(bodega_runtime::status::reason(&error), "invalid_transition");
                wait_for(&app, order, Cancelled).await
            }
        };
        paid += i32::from(order.status() == Paid);
        assert_eq!(app.catalog.release_count(id(&order)), usize::from(order.status() == Cancelled));
    }
    app.assert_consistent().await;
    assert_eq!(app.catalog.available(MUG), 1000 - paid);
    for replica in replicas {
        replica.kill().await;
    }
}

#[tokio::test]
async fn orders_do_not_expire_without_a_window() {
    let app = TestApp::with_providers(offline("off")).await;
    let order = app.new_order(&[(MUG, 1)]).await;
    sqlx::query("update orders.orders set placed_at = placed_at - interval '1 year', created_at = created_at - interval '1 year'")
        .execute(&app.db)
        .await
        .unwrap();
    // Longer than the longest interval of the worker.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(app.get(&order.id).await.status(), Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_the_pending_orders_of_a_user() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(PEN, 1)]);
    for number in 0..MAX_PENDING_ORDERS {
        app.add_to_cart(user, &[(MUG, 1)]);
        app.place(user, &format!("key {number}")).await.unwrap();
    }
    app.add_to_cart(user, &[(MUG, 1)]);
    let rejected = app.place(user, "one more").await.unwrap_err();
    assert_eq!(bodega_runtime::status::reason(&rejected), "too_many_pending_orders");
    assert_eq!(rejected.message(), "account has 20 pending orders, pay or cancel one first");
    assert_eq!(app.cart.lines_of(user).len(), 1, "the cart is kept");
    let first = app.place(user, "key 0").await.unwrap();
    assert_eq!(app.place(user, "key 19").await.unwrap().status(), Pending, "a retry returns its order");

    // A confirmed order does not count, and concurrent calls place one order in its place.
    app.update_status(&first.id, Confirmed).await.unwrap();
    let results = join_all((0..8).map(|number| {
        app.add_to_cart(user, &[(PEN, 1)]);
        let app = &app;
        async move { app.place(user, &format!("late {number}")).await }
    }))
    .await;
    assert!(results.iter().any(Result::is_ok));
    let pending = "select count(*) from orders.orders where user_id = $1 and status = 'pending'";
    let pending: i64 = sqlx::query_scalar(pending).bind(user).fetch_one(&app.db).await.unwrap();
    assert_eq!(pending, i64::from(MAX_PENDING_ORDERS));
    app.new_order(&[(MUG, 1)]).await; // of another user
    app.assert_consistent().await;
}
