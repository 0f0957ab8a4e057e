//! Waiting for a connection.

use std::time::Duration;

use bodega_runtime::database::{Pool, pool};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::empty_database;

#[tokio::test]
async fn callers_are_served_in_their_order() {
    let database = empty_database().await;
    let db = pool(database.url().parse().unwrap(), 1, "test");
    let held = db.acquire().await.unwrap();
    let (served, mut order) = mpsc::unbounded_channel();
    for caller in 0..20 {
        let (db, served) = (db.clone(), served.clone());
        tokio::spawn(async move {
            let _connection = db.acquire().await.unwrap();
            served.send(caller).unwrap();
        });
        tokio::task::yield_now().await;
    }
    drop((held, served));
    for caller in 0..20 {
        assert_eq!(order.recv().await, Some(caller));
    }
}

#[tokio::test]
async fn a_caller_waits_for_a_limited_time() {
    let database = empty_database().await;
    let db = Pool::new(database.url().parse().unwrap(), 1, Duration::from_millis(200));
    let held = db.acquire().await.unwrap();
    let started = Instant::now();
    let error = db.begin().await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(200));
    drop(held);
    db.begin().await.unwrap().rollback().await.unwrap();
}

#[tokio::test]
async fn the_pool_waits_for_a_server_that_is_starting() {
    let db = Pool::new("postgres://user@127.0.0.1:1/none".parse().unwrap(), 1, Duration::from_millis(200));
    let started = Instant::now();
    let error = db.acquire().await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert!(!db.has_responded_within(Duration::from_secs(60)));
}

#[tokio::test]
async fn a_closed_pool_has_waited_for_its_connections() {
    let database = empty_database().await;
    let db = pool(database.url().parse().unwrap(), 2, "test");
    let held = db.acquire().await.unwrap();
    assert!(timeout(Duration::from_millis(100), db.close()).await.is_err());
    let release = async {
        sleep(Duration::from_millis(50)).await;
        drop(held);
    };
    tokio::join!(db.close(), release);
    let error = db.acquire().await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolClosed), "{error}");
}

#[tokio::test]
async fn a_pool_knows_when_the_database_has_responded() {
    let database = empty_database().await;
    let db = pool(database.url().parse().unwrap(), 2, "test");
    assert!(!db.has_responded_within(Duration::from_secs(60)));
    sqlx::query("select 1").execute(&db).await.unwrap();
    assert!(db.has_responded_within(Duration::from_secs(60)));
    sleep(Duration::from_millis(50)).await;
    assert!(!db.has_responded_within(Duration::from_millis(20)));
}
