//! A server that ends by itself is started again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bodega_embedded_postgres::testing::TempDir;
use bodega_embedded_postgres::{Cluster, Options};
use rustix::process::{Signal, kill_process, test_kill_process};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::lifecycle::{count, postmaster, run};

/// Nothing that is waited for here takes so long, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until this URL leads to a server.
async fn answers(url: &str) {
    while PgConnection::connect(url).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a server has said so far.
fn log(data_dir: &Path) -> String {
    fs::read_to_string(data_dir.join("postgres/postgres.log")).unwrap()
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_back_at_the_same_place_with_what_was_committed() {
    let dir = TempDir::new("keep").unwrap();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    let url = cluster.superuser_url("postgres");
    run(&url, "create table kept (n bigint)").await;
    let breaks = async {
        for (sum, signal) in [(1, Signal::KILL), (3, Signal::QUIT), (6, Signal::KILL)] {
            run(&url, "insert into kept select count(*) + 1 from kept").await;
            let old = postmaster(dir.path());
            kill_process(old, signal).unwrap();
            while test_kill_process(old).is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answers(&url).await;
            assert_ne!(postmaster(dir.path()), old);
            assert_eq!(count(&url, "select sum(n)::bigint from kept").await, sum, "after {signal:?}");
        }
    };
    tokio::select! {
        kept = timeout(PATIENCE, breaks) => kept.expect("it is back in time"),
        never = cluster.keep_running() => match never {},
    }
    cluster.stop().await.unwrap();
}

/// As at a shutdown in the middle of an outage.
#[tokio::test]
async fn a_cluster_that_is_stopped_while_its_server_comes_up_again_leaves_no_process() {
    let dir = TempDir::new("keep-stop").unwrap();
    for milliseconds in [1, 205, 230, 300] {
        let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
        let before = log(dir.path()).len();
        kill_process(postmaster(dir.path()), Signal::KILL).unwrap();
        timeout(Duration::from_millis(milliseconds), cluster.keep_running()).await.unwrap_err();
        timeout(PATIENCE, cluster.stop()).await.expect("it stops in time").unwrap();

        let said = log(dir.path());
        let said = &said[before..];
        let (starts, ends) = (said.matches("starting PostgreSQL"), said.matches("is shut down"));
        assert_eq!(starts.count(), ends.count(), "after {milliseconds} ms: {said}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_start_is_tried_again_until_it_can() {
    let dir = TempDir::new("keep-trying").unwrap();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    let url = cluster.superuser_url("postgres");
    let settings = dir.path().join("postgres/data/postgresql.auto.conf");
    let breaks = async {
        fs::write(&settings, "no_such_thing = 1\n").unwrap();
        kill_process(postmaster(dir.path()), Signal::KILL).unwrap();
        while log(dir.path()).matches("no_such_thing").count() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        fs::write(&settings, "").unwrap();
        answers(&url).await;
    };
    tokio::select! {
        kept = timeout(PATIENCE, breaks) => kept.expect("it is back in time"),
        never = cluster.keep_running() => match never {},
    }
    cluster.stop().await.unwrap();
}
