//! Work that another process has completed by the time the first process continues.
//!
//! The tests for checkouts are in [`crashes`](crate::crashes), those for refunds in [`stripe`](crate::stripe).

use std::time::Duration;

use bodega_proto::order::v1::{
    CancelOrderRequest, CreatePaymentIntentRequest,
    OrderStatus::{Cancelled, Paid, Pending},
    PaymentStatus::{Completed, RequiresPayment},
};
use bodega_stripe_double::{Card, Fault as StripeFault, Operation};
use futures_util::future::join_all;
use tonic::Code;

use crate::{
    faults::Fault,
    replica::Client,
    stripe::{StripeApp, create_intent, event_outcomes, payment_of, payment_statuses},
    test_app::{MUG, TestApp, id, place},
};

/// Ends leases again and again while it is polled, so that every process claims the work of every other one.
async fn expire_leases(app: &TestApp, statement: &'static str) {
    loop {
        sqlx::query(statement).execute(&app.db).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits up to 20 seconds until the condition holds.
async fn eventually(condition: &str, holds: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "not in time: {condition}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_late_duplicate_delivery_keeps_newer_cart_lines() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.cart.faults().once("ClearOrdered", Fault::Down);
    // The delivery of the worker is delayed before it arrives.
    app.cart.faults().once("ClearOrdered", Fault::Slow(Duration::from_millis(1300)));
    app.place(user, "").await.unwrap();
    app.cart.faults().all_triggered("ClearOrdered").await;

    let replica = app.replica().await;
    sqlx::query("update orders.outbox set next_attempt_at = now()").execute(&app.db).await.unwrap();
    eventually("the replica clears the cart", || app.cart.lines_of(user).is_empty()).await;
    assert_eq!(app.cart.calls().1, 1, "the second replica has delivered before the first");
    app.add_to_cart(user, &[(MUG, 1)]);
    eventually("the first delivery arrives", || app.cart.calls().1 > 1).await;
    assert_eq!(app.cart.lines_of(user), [(MUG, 1)].into());
    app.assert_consistent().await;
    replica.kill().await;
}

async fn max_attempts(app: &TestApp) -> i32 {
    let query = "select max(attempts) from orders.provider_events";
    sqlx::query_scalar(query).fetch_one(&app.db).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_claimed_by_every_replica_are_applied_once() {
    let app = StripeApp::start().await;
    let mut orders = Vec::new();
    for _ in 0..40 {
        orders.push(app.paid_order().await);
    }
    // Restores the state before the events were applied.
    let undo = [
        "update orders.provider_events set applied_at = null, outcome = null, next_attempt_at = now()
         where kind = 'payment_intent.succeeded'",
        "delete from orders.order_events where payment_status = 'completed'",
        "update orders.payments set status = 'requires_payment', next_poll_at = null",
        "update orders.orders set status = 'pending'",
    ];
    let replicas = [app.replica().await, app.replica().await];
    let mut transaction = app.db.begin().await.unwrap();
    for statement in undo {
        sqlx::query(statement).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();

    // Applying an event waits until the orders are unlocked; other claimed events wait for a connection, and can be
    // claimed again.
    let mut held = app.db.begin().await.unwrap();
    sqlx::query("select from orders.orders for update").execute(&mut *held).await.unwrap();
    let expire_leases = expire_leases(
        &app,
        "update orders.provider_events e set next_attempt_at = now()
         from (
             select provider, id from orders.provider_events where next_attempt_at is not null
             for update skip locked
         ) as due
         where e.provider = due.provider and e.id = due.id",
    );
    let applied = async {
        let claimed_again = async {
            while max_attempts(&app).await < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), claimed_again)
            .await
            .expect("an event is claimed again");
        held.rollback().await.unwrap();
        for order in &orders {
            let order = app.wait_for(order, Paid, Completed, Duration::from_secs(10)).await;
            assert_eq!(payment_statuses(&order), [RequiresPayment, Completed]);
        }
    };
    tokio::select! {
        () = expire_leases => {}
        () = applied => {}
    }
    assert!(max_attempts(&app).await > 1, "some were claimed again");
    for (kind, outcome) in event_outcomes(&app).await {
        let once = kind != "payment_intent.succeeded" || outcome.as_deref() == Some("applied");
        assert!(once, "{kind}: {outcome:?}, after another process has applied it");
    }
    for replica in replicas {
        replica.kill().await;
    }
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_late_intent_response_changes_nothing() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    app.stripe.fail_next(Operation::Create, StripeFault::DelayAfter(Duration::from_secs(3)), 1);
    let overtaken = app.create_intent(&order);
    let others = async {
        eventually("there is an intent", || !app.stripe.intents_of(&order.id).is_empty()).await;
        sqlx::query("update orders.payments set intent_lease_until = now()").execute(&app.db).await.unwrap();
        let first = app.create_intent(&order).await.unwrap();
        app.stripe.confirm(&first.client_secret, Card::Declined).await.unwrap();
        app.stripe.delivered().await;
        let second = app.create_intent(&order).await.unwrap();
        assert_ne!(first.id, second.id);
        second
    };
    let (overtaken, second) = tokio::join!(overtaken, others);
    assert_eq!(overtaken.unwrap(), second, "it returns the current intent");
    assert_eq!(app.create_intent(&order).await.unwrap(), second);
    app.stripe.confirm(&second.client_secret, Card::Visa).await.unwrap();
    app.wait_for(&order, Paid, Completed, Duration::from_secs(5)).await;
    assert_eq!(app.stripe.charges_of(&order.id).len(), 1);
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_polled_by_every_replica_are_applied_once() {
    let app = StripeApp::start().await;
    app.stripe.pause_deliveries();
    let replicas = [app.replica().await, app.replica().await];
    let mut orders = Vec::new();
    for n in 0..20 {
        let order = app.new_order(&[(MUG, 1)]).await;
        let intent = app.create_intent(&order).await.unwrap();
        app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
        if n % 2 == 0 {
            app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
        }
        orders.push(order);
    }
    let expire_leases =
        expire_leases(&app, "update orders.payments set next_poll_at = now() where next_poll_at is not null");
    let settled = async {
        for (n, order) in orders.iter().enumerate() {
            let started = std::time::Instant::now();
            while !is_settled(&app, &order.id).await {
                assert!(started.elapsed() < Duration::from_secs(10), "order {n}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let refunds = app.stripe.refunds_of(&order.id).len();
            assert_eq!((app.stripe.charges_of(&order.id).len(), refunds), (1, usize::from(n % 2 == 0)));
        }
    };
    tokio::select! {
        () = expire_leases => {}
        () = settled => {}
    }
    for replica in replicas {
        replica.kill().await;
    }
    app.assert_consistent().await;
}

/// Returns whether an order's payments have their final status. Settled ones are still checked from time to time.
async fn is_settled(app: &StripeApp, order: &str) -> bool {
    let query =
        "select bool_and(status in ('completed', 'refunded')) from orders.payments where order_id = $1";
    sqlx::query_scalar(query).bind(order.parse::<uuid::Uuid>().unwrap()).fetch_one(&app.db).await.unwrap()
}

/// Longer than every lease, and than the recovery of abandoned work may take.
const FROZEN: Duration = Duration::from_secs(11);

/// Places an order, creates its payment intent, and cancels it.
async fn order_pay_and_cancel(client: Client) {
    let Ok(order) = place(client.clone(), "key", None).await else { return };
    let id = order.id;
    let _ = client
        .clone()
        .create_payment_intent(CreatePaymentIntentRequest { id: id.clone(), ..Default::default() })
        .await;
    let _ = { client }.cancel_order(CancelOrderRequest { id, ..Default::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_frozen_beyond_every_lease_breaks_no_invariant() {
    let app = StripeApp::start().await;
    let app = &app;
    let users: Vec<_> = (0..8).map(|_| app.user_with_cart(&[(MUG, 1)])).collect();
    let frozen = users.iter().enumerate().map(|(n, user)| {
        let time = Duration::from_millis(u64::try_from(n).unwrap() * 8);
        app.frozen_after(time, FROZEN, *user, order_pay_and_cancel)
    });
    let others = async {
        // The other processes are frozen by now.
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.assert_consistent().await;
        let mut ends = Vec::new();
        for user in &users {
            // Retries while those processes are frozen.
            let order = app.place(*user, "key").await.unwrap();
            if order.status() == Pending {
                let started = std::time::Instant::now();
                let intent = loop {
                    assert!(started.elapsed() < Duration::from_secs(60), "no intent");
                    match create_intent(app.client(*user), &order.id).await {
                        // Retries as a client would: the provider may be slow on a loaded machine.
                        Err(status) if status.code() == Code::Unavailable => {
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                        result => break result.unwrap(),
                    }
                };
                app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
                app.wait_for(&order, Paid, Completed, Duration::from_secs(10)).await;
            }
            ends.push(order);
        }
        ends
    };
    let (_, orders) = tokio::join!(join_all(frozen), others);
    for (order, user) in orders.iter().zip(users) {
        assert_eq!(app.orders_of(user).await, 1);
        let now = app.get(&order.id).await;
        // A process that continues may cancel the order: then the payment is refunded.
        match now.status() {
            Paid => assert_eq!(payment_of(&now), Completed),
            status => assert_eq!(status, Cancelled),
        }
        let left = usize::from(now.status() == Cancelled);
        assert_eq!(app.catalog.release_count(id(&now)), left);
    }
    app.assert_consistent().await;
}
