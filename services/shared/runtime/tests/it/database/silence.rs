//! Connections whose other end says nothing, and transactions that nobody waits for.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use bodega_runtime::database::pool;
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::time::{Instant, sleep, timeout};

use super::{empty_database, relay::Relay};

const CONNECTIONS: u32 = 3;

/// That so many statements run at once: none of the pool's places is lost.
async fn assert_all_places_are_there(db: &PgPool) {
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(db.acquire().await.expect("a place"));
    }
    for connection in &mut held {
        sqlx::query("select 1").execute(&mut **connection).await.expect("a sound connection");
    }
}

#[tokio::test]
async fn a_connection_that_falls_silent_under_a_call_does_not_keep_its_place_in_the_pool() {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let relay = Relay::start(&options).await;
    let db = pool(relay.through(&options), CONNECTIONS, "test");
    assert_all_places_are_there(&db).await;

    relay.fall_silent();
    for _ in 0..CONNECTIONS {
        // As a caller does, whose deadline comes.
        let query = sqlx::query("select 1").execute(&db);
        timeout(Duration::from_millis(100), query).await.expect_err("nothing is answered");
    }
    let started = Instant::now();
    db.acquire().await.expect_err("no place so soon, and no waiting for ever");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    sleep(Duration::from_secs(3)).await;
    assert_all_places_are_there(&db).await;
}

#[tokio::test]
async fn an_idle_connection_that_fell_silent_is_not_given_to_anybody() {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let relay = Relay::start(&options).await;
    let db = pool(relay.through(&options), 2, "test");
    sqlx::query("select 1").execute(&db).await.unwrap();

    sleep(Duration::from_millis(1_500)).await;
    relay.fall_silent();
    let query = sqlx::query("select 1").execute(&db);
    timeout(Duration::from_secs(2), query).await.expect("in time").expect("over a new connection");
}

#[tokio::test]
async fn a_transaction_dropped_while_it_begins_leaves_nothing_open() {
    let database = empty_database().await;
    let db = pool(database.url().parse().unwrap(), 1, "test");
    sqlx::query("select 1").execute(&db).await.unwrap();
    for polls in 1..100 {
        sleep(Duration::from_millis(20)).await; // the connection is back: what is waited for is the beginning
        let begun = give_up_after(polls, db.begin()).await;
        sqlx::query("insert into public.counters (id, count) values ($1, 0)")
            .bind(polls)
            .execute(&db)
            .await
            .unwrap();
        let elsewhere = PgPool::connect(&database.url()).await.unwrap();
        let kept: i64 =
            sqlx::query_scalar("select count(*) from public.counters").fetch_one(&elsewhere).await.unwrap();
        assert_eq!(kept, i64::from(polls), "what was written after {polls} polls is committed");
        if begun {
            assert!(polls > 1, "it was given up on the way");
            return;
        }
    }
    panic!("a transaction never begins");
}

/// Polls so many times at most; whether it was done by then.
async fn give_up_after<F: Future>(polls: i32, work: F) -> bool {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(move |cx| {
        if work.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        left -= 1;
        if left == 0 { Poll::Ready(false) } else { Poll::Pending }
    })
    .await
}
