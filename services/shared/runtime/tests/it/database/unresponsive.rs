//! Connections whose server does not respond, and dropped transactions.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use bodega_runtime::{
    database::{Pool, pool},
    status,
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpListener,
    time::{Instant, sleep, timeout},
};
use tonic::Code;

use super::{empty_database, proxy::Proxy};

const CONNECTIONS: u32 = 3;

/// Asserts that the pool provides all of its connections at the same time.
async fn assert_all_connections_work(db: &Pool) {
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(db.acquire().await.expect("a connection"));
    }
    for connection in &mut held {
        sqlx::query("select 1").execute(&mut **connection).await.expect("a working connection");
    }
}

#[tokio::test]
async fn the_pool_replaces_connections_that_freeze_during_a_call() {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let proxy = Proxy::start(&options).await;
    let db = pool(proxy.options(&options), CONNECTIONS, "test");
    assert_all_connections_work(&db).await;

    proxy.freeze();
    for _ in 0..CONNECTIONS {
        // Drops the query as a call does at its deadline.
        let query = sqlx::query("select 1").execute(&db);
        timeout(Duration::from_millis(100), query).await.expect_err("no response");
    }
    let started = Instant::now();
    db.acquire().await.expect_err("the frozen connections still occupy the pool");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    sleep(Duration::from_secs(3)).await;
    assert_all_connections_work(&db).await;
}

#[tokio::test]
async fn the_pool_replaces_connections_that_froze_while_idle() {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let proxy = Proxy::start(&options).await;
    let db = pool(proxy.options(&options), 2, "test");
    sqlx::query("select 1").execute(&db).await.unwrap();

    sleep(Duration::from_millis(1_500)).await;
    proxy.freeze();
    let query = sqlx::query("select 1").execute(&db);
    timeout(Duration::from_secs(2), query).await.expect("in time").expect("over a new connection");
}

#[tokio::test]
async fn the_pool_replaces_connections_that_freeze_during_a_transaction() {
    let database = empty_database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let proxy = Proxy::start(&options).await;
    let db = pool(proxy.options(&options), CONNECTIONS, "test");
    assert_all_connections_work(&db).await;

    let mut idle_in_transaction = db.begin().await.unwrap();
    let committing = db.begin().await.unwrap();
    proxy.freeze();
    let within = Duration::from_millis(100);
    timeout(within, db.begin()).await.expect_err("no response");
    timeout(within, committing.commit()).await.expect_err("no response");
    let query = sqlx::query("select 1").execute(&mut *idle_in_transaction);
    timeout(within, query).await.expect_err("no response");
    drop(idle_in_transaction);
    sleep(Duration::from_secs(3)).await;
    assert_all_connections_work(&db).await;
}

/// As HAProxy does while there is no leader.
#[tokio::test]
async fn a_proxy_without_a_server_is_an_unavailable_database() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxy = tokio::spawn(async move {
        loop {
            // Reads first: closed with unread data, the connection would be reset.
            let (mut client, _) = listener.accept().await.unwrap();
            let _ = client.read(&mut [0; 64]).await;
        }
    });
    let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username("test");
    let db = pool(options, 1, "test");
    for _ in 0..10 {
        let error = db.acquire().await.unwrap_err();
        assert_eq!(status::database(&error).code(), Code::Unavailable, "{error}");
    }
    proxy.abort();
}

#[tokio::test]
async fn a_transaction_dropped_while_it_begins_is_not_left_open() {
    let database = empty_database().await;
    let db = pool(database.url().parse().unwrap(), 1, "test");
    sqlx::query("select 1").execute(&db).await.unwrap();
    for polls in 1..100 {
        sleep(Duration::from_millis(20)).await; // time for the connection to return, so that the polls are those of `begin`
        let begin = db.begin_with("begin; select pg_sleep(0.01)");
        let has_begun = drop_after(polls, begin).await;
        sqlx::query("insert into public.counters (id, count) values ($1, 0)")
            .bind(polls)
            .execute(&db)
            .await
            .unwrap();
        let other_pool = PgPool::connect(&database.url()).await.unwrap();
        let committed: i64 =
            sqlx::query_scalar("select count(*) from public.counters").fetch_one(&other_pool).await.unwrap();
        assert_eq!(committed, i64::from(polls), "the insert after {polls} polls is committed");
        if has_begun {
            assert!(polls > 1, "at least one transaction was dropped while it began");
            return;
        }
    }
    panic!("no transaction has begun");
}

/// Polls `work` at most `polls` times. Returns whether it was done by then.
pub(super) async fn drop_after<F: Future>(polls: i32, work: F) -> bool {
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
