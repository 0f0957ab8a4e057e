//! Processes that end anywhere, and calls that are given up at any point.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use futures_util::future::join_all;
use tonic::Code;

use crate::{
    faults::Fault,
    shop::{HAT, MUG, PEN, Shop, id, place, refused},
};

/// Polls `work` that many times, then drops it. Whether it came to its end.
async fn give_up_after(polls: usize, work: impl Future) -> bool {
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

/// More polls than any of these calls takes.
const MANY: usize = 400;

#[tokio::test]
async fn a_call_whose_client_goes_away_is_carried_out() {
    let shop = Shop::open().await;
    let mut users = Vec::new();
    for polls in 1..MANY {
        let user = shop.shopper(&[(MUG, 1), (PEN, 2)]);
        let done = give_up_after(polls, shop.place(user, "key")).await;
        users.push(user);
        if done {
            break;
        }
    }
    assert!((2..MANY - 1).contains(&users.len()), "{} points", users.len());
    for user in users {
        let order = shop.place(user, "key").await.unwrap();
        assert_eq!(order.total_minor, 1500);
        assert_eq!(shop.orders_of(user).await, 1);
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_transaction_given_up_while_it_begins_leaves_its_connection_as_it_was() {
    let shop = Shop::open().await;
    for polls in 1..MANY {
        let begun = give_up_after(polls, shop.db.begin()).await;
        tokio::time::sleep(Duration::from_millis(20)).await; // whoever still had it has given it back
        let open: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and state like 'idle in transaction%'",
        )
        .fetch_one(&shop.db)
        .await
        .unwrap();
        assert_eq!(open, 0, "given up after {polls} polls");
        if begun {
            break;
        }
    }
}

/// From no time at all to longer than a call takes, on a machine that has much else to do, too.
fn moments() -> impl Iterator<Item = Duration> {
    let late = [100, 500, 2_500].map(Duration::from_millis);
    (0..120).map(|n| Duration::from_micros(n * 250)).chain(late)
}

#[tokio::test]
async fn a_process_killed_at_any_moment_leaves_an_order_or_none() {
    let shop = Shop::open().await;
    let mut users = Vec::new();
    for moment in moments() {
        let user = shop.shopper(&[(MUG, 1), (PEN, 2)]);
        let answer = shop.killed_after(moment, user, |client| place(client, "key", None)).await;
        users.push((user, answer));
    }
    let answered = users.iter().filter(|(_, answer)| answer.is_some()).count();
    assert!((1..users.len()).contains(&answered), "{answered} calls were over before the kill");
    let half_done = "select count(*) from orders.orders where status = 'placing'";
    let half_done: i64 = sqlx::query_scalar(half_done).fetch_one(&shop.db).await.unwrap();
    assert!(half_done > 0, "some were killed in the middle");
    shop.assert_sound().await;

    for (user, answer) in users {
        let order = shop.place(user, "key").await;
        assert_eq!(shop.orders_of(user).await, 1);
        if let Some(answer) = answer {
            assert_eq!(answer.unwrap(), order.unwrap(), "what was answered is not lost");
        }
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_process_killed_at_any_moment_of_a_refusal_gives_the_stock_back() {
    let shop = Shop::open().await;
    for moment in moments() {
        let user = shop.shopper(&[(MUG, 1)]);
        shop.killed_after(moment, user, |client| place(client, "", Some(1))).await;
    }
    shop.assert_sound().await;
    assert_eq!(shop.catalog.left(MUG), 1000);
}

#[tokio::test]
async fn a_call_repeated_elsewhere_right_after_the_kill_is_one_order() {
    let shop = Shop::open().await;
    let calls = moments().step_by(4).map(|moment| {
        let shop = &shop;
        async move {
            let user = shop.shopper(&[(MUG, 1)]);
            shop.killed_after(moment, user, |client| place(client, "key", None)).await;
            // As a client does: until it has an answer.
            let order = loop {
                match shop.place(user, "key").await {
                    Err(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {}
                    answer => break answer,
                }
            };
            order.unwrap();
            assert_eq!(shop.orders_of(user).await, 1);
        }
    });
    join_all(calls).await;
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_cancellation_given_up_at_any_point_is_whole_or_has_not_happened() {
    let shop = Shop::open().await;
    let mut orders = Vec::new();
    for polls in 1..MANY {
        let order = shop.order(&[(MUG, 1)]).await;
        let done = give_up_after(polls, shop.cancel(order.user_id.parse().unwrap(), &order.id)).await;
        orders.push(order);
        if done {
            break;
        }
    }
    shop.assert_sound().await;
    for order in orders {
        let cancelled = shop.get(&order.id).await.history.len() == 2;
        assert_eq!(shop.catalog.gave_back(id(&order)), usize::from(cancelled));
    }
}

/// What one call meets, step by step.
const STEPS: [(&str, Fault); 7] = [
    ("GetSnapshot", Fault::Down),
    ("Reserve", Fault::Down),
    ("Reserve", Fault::ReplyLost),
    ("Reserve", Fault::Late(Duration::from_secs(3))),
    ("ClearOrdered", Fault::Down),
    ("ClearOrdered", Fault::ReplyLost),
    ("ClearOrdered", Fault::Late(Duration::from_secs(3))),
];

#[tokio::test]
async fn whatever_a_killed_process_left_another_one_ends() {
    join_all(STEPS.map(|(rpc, fault)| async move {
        let mut shop = Shop::open().await;
        shop.cart.faults().once(rpc, fault.clone());
        shop.catalog.faults().once(rpc, fault);
        let user = shop.shopper(&[(MUG, 1)]);
        let answer = shop.place(user, "key").await;
        shop.restart().await;
        shop.assert_sound().await;

        let order = shop.place(user, "key").await.unwrap();
        assert!(answer.is_err() || answer.is_ok_and(|first| first.id == order.id), "{rpc}");
        assert_eq!(shop.orders_of(user).await, 1, "{rpc}");
        // What comes late has come by now.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(shop.catalog.left(MUG), 999, "{rpc}");
        shop.assert_sound().await;
    }))
    .await;
}

#[tokio::test]
async fn replicas_share_what_was_left_behind_and_do_it_once() {
    let shop = Shop::open().await;
    let replicas = [shop.replica().await, shop.replica().await];
    let users: Vec<_> = (0..30).map(|_| shop.shopper(&[(MUG, 1)])).collect();
    shop.catalog.faults().always("Reserve", Fault::ReplyLost);
    shop.cart.faults().always("ClearOrdered", Fault::ReplyLost);
    for answer in join_all(users.iter().map(|user| shop.place(*user, ""))).await {
        answer.unwrap_err();
    }
    shop.catalog.faults().mend();
    shop.cart.faults().mend();
    shop.assert_sound().await;
    assert_eq!(shop.catalog.left(MUG), 1000 - 30);
    for user in users {
        assert_eq!(shop.orders_of(user).await, 1);
    }
    for replica in replicas {
        replica.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_drive_one_attempt_at_once_agree() {
    let shop = Shop::open().await;
    let replicas = [shop.replica().await, shop.replica().await];
    for _ in 0..20 {
        let user = shop.shopper(&[(MUG, 1)]);
        // Each of them comes first for the catalog: no lease is respected.
        let greed = async {
            for _ in 0..40 {
                let query = sqlx::query(
                    "update orders.orders set lease_until = now(), recover_at = now() where status = 'placing'",
                );
                query.execute(&shop.db).await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        shop.catalog.faults().once("Reserve", Fault::Slow(Duration::from_millis(30)));
        let calls = replicas
            .iter()
            .map(|replica| place(replica.client(user, bodega_runtime::auth::Role::User), "key", None));
        let (answers, ()) = tokio::join!(join_all(calls), greed);
        let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().id).collect();
        assert_eq!(answers[0], answers[1]);
    }
    shop.assert_sound().await;
    for replica in replicas {
        replica.kill().await;
    }
}

/// Lets the loop take over whatever somebody else is still at.
async fn take_the_leases(shop: &Shop, age: &str) {
    shop.catalog.faults().all_met("Reserve").await;
    let query = "update orders.orders
                 set lease_until = now(), recover_at = now(), created_at = now() - $1::text::interval
                 where status = 'placing'";
    sqlx::query(query).bind(age).execute(&shop.db).await.unwrap();
}

#[tokio::test]
async fn a_driver_that_gets_the_stock_too_late_finds_the_attempt_withdrawn() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.catalog.faults().once("Reserve", Fault::SlowReply(Duration::from_millis(1200)));
    let (answer, ()) = tokio::join!(shop.place(user, ""), take_the_leases(&shop, "16 minutes"));
    assert_eq!(refused(answer), "order_withdrawn");
    assert_eq!(shop.catalog.left(MUG), 1000);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_driver_that_is_told_of_too_little_too_late_finds_the_order_placed() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(HAT, 1)]);
    shop.catalog.faults().once("Reserve", Fault::SlowReply(Duration::from_millis(1200)));
    let restock = async {
        shop.catalog.faults().all_met("Reserve").await;
        tokio::time::sleep(Duration::from_millis(50)).await; // it is short by now
        shop.catalog.stock(HAT, "Hat", 3000, 1);
        take_the_leases(&shop, "0 s").await;
    };
    let (answer, ()) = tokio::join!(shop.place(user, ""), restock);
    assert_eq!(answer.unwrap().items[0].product_id, HAT);
    shop.assert_sound().await;
}

#[tokio::test]
async fn the_loops_survive_an_outage_of_the_database() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.catalog.faults().once("Reserve", Fault::Down);
    shop.place(user, "key").await.unwrap_err();
    for _ in 0..10 {
        let query = "select pg_terminate_backend(pid) from pg_stat_activity
                     where application_name = 'bodega-order' and datname = current_database()";
        sqlx::query(query).execute(&shop.db).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shop.assert_sound().await;
    assert_eq!(shop.orders_of(user).await, 1);
}
