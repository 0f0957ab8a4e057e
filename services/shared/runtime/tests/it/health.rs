//! Liveness and readiness of a service.

use std::time::Duration;

use bodega_embedded_postgres::testing;
use bodega_runtime::{
    database::{Pool, pool},
    health::Health,
    server::Service,
    timeouts,
    transport::Transport,
};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::harness::unreachable_database;

const LIVE: &str = "live";
const READY: &str = "";

async fn service(db: Pool) -> Service {
    Service::new("checked", Routes::default(), db, CancellationToken::new()).await
}

/// The status of a check.
async fn status_of(service: &Service, check: &str) -> ServingStatus {
    let mut client = HealthClient::new(Transport::unauthenticated(service.routes()));
    client.check(HealthCheckRequest { service: check.to_owned() }).await.unwrap().get_ref().status()
}

#[tokio::test]
async fn is_alive_but_not_ready_without_its_database() {
    let health = Health::default();
    assert!(!health.is_ready().await, "it has not started");
    let service = service(unreachable_database()).await.report_to(&health);
    assert_eq!(status_of(&service, LIVE).await, ServingStatus::Serving);
    assert_eq!(status_of(&service, READY).await, ServingStatus::NotServing);
    assert!(!health.is_ready().await);
}

/// All connections are in use for longer than the database would have to be silent to be considered away.
#[tokio::test]
async fn is_ready_while_its_pool_is_full_of_slow_calls() {
    let database = testing::database("health", |_| async { Ok(()) }).await;
    let db = pool(database.url().parse().unwrap(), 2, "busy");
    let busy = [db.acquire().await.unwrap(), db.acquire().await.unwrap()];
    let service = service(db.clone()).await;
    let started = Instant::now();
    let limit = timeouts::HEALTH_CHECK_AGE + 2 * timeouts::HEALTH_CHECK_INTERVAL + timeouts::HEALTH_CHECK;
    while started.elapsed() < limit {
        assert_eq!(status_of(&service, READY).await, ServingStatus::Serving, "{:?}", started.elapsed());
        sleep(Duration::from_millis(100)).await;
    }
    assert!(
        !db.has_responded_within(timeouts::HEALTH_CHECK_AGE),
        "no call has shown that the database responds"
    );

    let mut observer = PgConnection::connect(&database.url()).await.unwrap();
    let connections: i64 =
        sqlx::query_scalar("select count(*) from pg_stat_activity where application_name = 'busy'")
            .fetch_one(&mut observer)
            .await
            .unwrap();
    assert_eq!(connections, 3, "the health check has one connection of its own");
    drop(busy);
}

#[tokio::test]
async fn reconnects_after_its_connection_was_terminated() {
    let database = testing::database("health", |_| async { Ok(()) }).await;
    let service = service(pool(database.url().parse().unwrap(), 1, "terminated")).await;
    let mut observer = PgConnection::connect(&database.url()).await.unwrap();
    for _ in 0..2 {
        let terminated: i64 = sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'terminated'",
        )
        .fetch_one(&mut observer)
        .await
        .unwrap();
        assert_eq!(terminated, 1);
        let reconnected = async {
            loop {
                assert_eq!(
                    status_of(&service, READY).await,
                    ServingStatus::Serving,
                    "a new connection works"
                );
                let query = "select count(*) from pg_stat_activity where application_name = 'terminated'";
                if sqlx::query_scalar::<_, i64>(query).fetch_one(&mut observer).await.unwrap() == 1 {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(20), reconnected).await.expect("a new connection");
    }
}

#[tokio::test]
async fn is_not_ready_from_the_drain_on_and_stays_alive() {
    let database = testing::database("health", |_| async { Ok(()) }).await;
    let health = Health::default();
    let service = service(pool(database.url().parse().unwrap(), 1, "drained")).await.report_to(&health);
    assert_eq!(status_of(&service, READY).await, ServingStatus::Serving);
    assert!(health.is_ready().await && !health.is_draining());

    health.drain();
    assert!(!health.is_ready().await && health.is_draining());
    let drained = async {
        while status_of(&service, READY).await != ServingStatus::NotServing {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), drained).await.expect("the service reports it");
    sleep(2 * timeouts::HEALTH_CHECK_INTERVAL).await;
    assert_eq!(status_of(&service, READY).await, ServingStatus::NotServing, "no later check overrides it");
    assert_eq!(status_of(&service, LIVE).await, ServingStatus::Serving);
}
