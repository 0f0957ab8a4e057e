//! Processes that are killed, and calls that are dropped, at any time.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use futures_util::future::join_all;
use tonic::Code;

use crate::{
    faults::Fault,
    test_app::{HAT, MUG, PEN, TestApp, error_reason, id, place},
};

/// Polls `work` at most `polls` times, then drops it. Returns whether it was completed.
async fn drop_after(polls: usize, work: impl Future) -> bool {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        work.as_mut().poll(context).map(|_| true)
    })
    .await
}

/// More polls than any of these calls needs.
const MAX_POLLS: usize = 400;

#[tokio::test]
async fn a_disconnect_does_not_stop_the_call() {
    let app = TestApp::start().await;
    let mut users = Vec::new();
    for polls in 1..MAX_POLLS {
        let user = app.user_with_cart(&[(MUG, 1), (PEN, 2)]);
        let done = drop_after(polls, app.place(user, "key")).await;
        users.push(user);
        if done {
            break;
        }
    }
    assert!((2..MAX_POLLS - 1).contains(&users.len()), "calls were dropped at {} points", users.len());
    for user in users {
        let order = app.place(user, "key").await.unwrap();
        assert_eq!(order.total_minor, 1500);
        assert_eq!(app.orders_of(user).await, 1);
    }
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_dropped_begin_leaves_no_open_transaction() {
    let app = TestApp::start().await;
    let pool = app.service_pool();
    for polls in 1..MAX_POLLS {
        let started = drop_after(polls, pool.begin()).await;
        tokio::time::sleep(Duration::from_millis(20)).await; // until the connection is back in the pool
        let open: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and state like 'idle in transaction%'",
        )
        .fetch_one(&app.db)
        .await
        .unwrap();
        assert_eq!(open, 0, "dropped after {polls} polls");
        if started {
            break;
        }
    }
}

/// Returns times from zero to more than a call takes, even on a loaded machine.
fn kill_times() -> impl Iterator<Item = Duration> {
    let late = [100, 500, 2_500].map(Duration::from_millis);
    (0..120).map(|n| Duration::from_micros(n * 250)).chain(late)
}

#[tokio::test]
async fn a_process_killed_at_any_time_leaves_one_order() {
    let app = TestApp::start().await;
    let mut users = Vec::new();
    for time in kill_times() {
        let user = app.user_with_cart(&[(MUG, 1), (PEN, 2)]);
        let result = app.killed_after(time, user, |client| place(client, "key", None)).await;
        users.push((user, result));
    }
    let completed_calls = users.iter().filter(|(_, result)| result.is_some()).count();
    assert!((1..users.len()).contains(&completed_calls), "{completed_calls} calls completed before the kill");
    let placing = "select count(*) from orders.orders where status = 'placing'";
    let placing: i64 = sqlx::query_scalar(placing).fetch_one(&app.db).await.unwrap();
    assert!(placing > 0, "some were killed while placing");
    app.assert_consistent().await;

    for (user, result) in users {
        let order = app.place(user, "key").await;
        assert_eq!(app.orders_of(user).await, 1);
        if let Some(result) = result {
            assert_eq!(result.unwrap(), order.unwrap(), "a returned order is not lost");
        }
    }
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_process_killed_during_a_rejection_releases_the_stock() {
    let app = TestApp::start().await;
    for time in kill_times() {
        let user = app.user_with_cart(&[(MUG, 1)]);
        app.killed_after(time, user, |client| place(client, "", Some(1))).await;
    }
    app.assert_consistent().await;
    assert_eq!(app.catalog.available(MUG), 1000);
}

#[tokio::test]
async fn a_retry_right_after_the_kill_places_one_order() {
    let app = TestApp::start().await;
    let calls = kill_times().step_by(4).map(|time| {
        let app = &app;
        async move {
            let user = app.user_with_cart(&[(MUG, 1)]);
            app.killed_after(time, user, |client| place(client, "key", None)).await;
            // Retries as a client would.
            let started = std::time::Instant::now();
            let order = loop {
                assert!(started.elapsed() < Duration::from_secs(60), "no order");
                match app.place(user, "key").await {
                    Err(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {}
                    result => break result,
                }
            };
            order.unwrap();
            assert_eq!(app.orders_of(user).await, 1);
        }
    });
    join_all(calls).await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_dropped_cancellation_is_complete_or_has_no_effect() {
    let app = TestApp::start().await;
    let mut orders = Vec::new();
    for polls in 1..MAX_POLLS {
        let order = app.new_order(&[(MUG, 1)]).await;
        let done = drop_after(polls, app.cancel(order.user_id.parse().unwrap(), &order.id)).await;
        orders.push(order);
        if done {
            break;
        }
    }
    app.assert_consistent().await;
    for order in orders {
        let cancelled = app.get(&order.id).await.history.len() == 2;
        assert_eq!(app.catalog.release_count(id(&order)), usize::from(cancelled));
    }
}

/// The faults at each step of a call.
const STEPS: [(&str, Fault); 7] = [
    ("GetSnapshot", Fault::Down),
    ("Reserve", Fault::Down),
    ("Reserve", Fault::ResponseLost),
    ("Reserve", Fault::Late(Duration::from_secs(3))),
    ("ClearOrdered", Fault::Down),
    ("ClearOrdered", Fault::ResponseLost),
    ("ClearOrdered", Fault::Late(Duration::from_secs(3))),
];

#[tokio::test]
async fn another_process_completes_the_work_of_a_killed_one() {
    join_all(STEPS.map(|(rpc, fault)| async move {
        let mut app = TestApp::start().await;
        app.cart.faults().once(rpc, fault.clone());
        app.catalog.faults().once(rpc, fault);
        let user = app.user_with_cart(&[(MUG, 1)]);
        let result = app.place(user, "key").await;
        app.restart().await;
        app.assert_consistent().await;

        let order = app.place(user, "key").await.unwrap();
        assert!(result.is_err() || result.is_ok_and(|first| first.id == order.id), "{rpc}");
        assert_eq!(app.orders_of(user).await, 1, "{rpc}");
        // Late calls have arrived by now.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(app.catalog.available(MUG), 999, "{rpc}");
        app.assert_consistent().await;
    }))
    .await;
}

#[tokio::test]
async fn replicas_share_abandoned_work_and_do_it_once() {
    let app = TestApp::start().await;
    let replicas = [app.replica().await, app.replica().await];
    let users: Vec<_> = (0..30).map(|_| app.user_with_cart(&[(MUG, 1)])).collect();
    app.catalog.faults().always("Reserve", Fault::ResponseLost);
    app.cart.faults().always("ClearOrdered", Fault::ResponseLost);
    for result in join_all(users.iter().map(|user| app.place(*user, ""))).await {
        result.unwrap_err();
    }
    app.catalog.faults().clear();
    app.cart.faults().clear();
    app.assert_consistent().await;
    assert_eq!(app.catalog.available(MUG), 1000 - 30);
    for user in users {
        assert_eq!(app.orders_of(user).await, 1);
    }
    for replica in replicas {
        replica.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_process_one_checkout_at_once_agree() {
    let app = TestApp::start().await;
    let replicas = [app.replica().await, app.replica().await];
    for _ in 0..20 {
        let user = app.user_with_cart(&[(MUG, 1)]);
        // Leases end at once, so that every process reserves the stock.
        let expire_leases = async {
            for _ in 0..40 {
                let query = sqlx::query(
                    "update orders.orders set lease_until = now(), recover_at = now() where status = 'placing'",
                );
                query.execute(&app.db).await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        app.catalog.faults().once("Reserve", Fault::Slow(Duration::from_millis(30)));
        let calls = replicas
            .iter()
            .map(|replica| place(replica.client(user, bodega_runtime::auth::Role::User), "key", None));
        let (results, ()) = tokio::join!(join_all(calls), expire_leases);
        let results: Vec<_> = results.into_iter().map(|result| result.unwrap().id).collect();
        assert_eq!(results[0], results[1]);
    }
    app.assert_consistent().await;
    for replica in replicas {
        replica.kill().await;
    }
}

/// Lets the worker claim what another process is still working on.
async fn end_leases(app: &TestApp, age: &str) {
    app.catalog.faults().all_triggered("Reserve").await;
    let query = "update orders.orders
                 set lease_until = now(), recover_at = now(), created_at = now() - $1::text::interval
                 where status = 'placing'";
    sqlx::query(query).bind(age).execute(&app.db).await.unwrap();
}

#[tokio::test]
async fn a_late_reservation_finds_the_checkout_withdrawn() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().once("Reserve", Fault::SlowResponse(Duration::from_millis(1200)));
    let (result, ()) = tokio::join!(app.place(user, ""), end_leases(&app, "16 minutes"));
    assert_eq!(error_reason(result), "order_withdrawn");
    assert_eq!(app.catalog.available(MUG), 1000);
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_late_stock_rejection_finds_the_order_placed() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(HAT, 1)]);
    app.catalog.faults().once("Reserve", Fault::SlowResponse(Duration::from_millis(1200)));
    let restock = async {
        app.catalog.faults().all_triggered("Reserve").await;
        tokio::time::sleep(Duration::from_millis(50)).await; // the reservation was rejected by now
        app.catalog.add_stock(HAT, "Hat", 3000, 1);
        end_leases(&app, "0 s").await;
    };
    let (result, ()) = tokio::join!(app.place(user, ""), restock);
    assert_eq!(result.unwrap().items[0].product_id, HAT);
    app.assert_consistent().await;
}

#[tokio::test]
async fn the_workers_survive_a_database_outage() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().once("Reserve", Fault::Down);
    app.place(user, "key").await.unwrap_err();
    for _ in 0..10 {
        let query = "select pg_terminate_backend(pid) from pg_stat_activity
                     where application_name = 'bodega-order' and datname = current_database()";
        sqlx::query(query).execute(&app.db).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    app.assert_consistent().await;
    assert_eq!(app.orders_of(user).await, 1);
}
