//! Restarting a server that exits.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bodega_embedded_postgres::testing::TempDir;
use bodega_embedded_postgres::{Cluster, Options};
use rustix::process::{Signal, kill_process, test_kill_process};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::lifecycle::{count, postmaster, run};

/// Far longer than a restart takes on a slow machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Waits until the server accepts connections.
async fn wait_until_up(url: &str) {
    while PgConnection::connect(url).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn log(data_dir: &Path) -> String {
    fs::read_to_string(data_dir.join("postgres/postgres.log")).unwrap()
}

#[tokio::test]
async fn restarts_a_killed_server_on_the_same_socket_with_all_committed_data() {
    let dir = TempDir::new("keep").unwrap();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    let url = cluster.superuser_url("postgres");
    run(&url, "create table items (n bigint)").await;
    let outages = async {
        for (sum, signal) in [(1, Signal::KILL), (3, Signal::QUIT), (6, Signal::KILL)] {
            run(&url, "insert into items select count(*) + 1 from items").await;
            let old_pid = postmaster(dir.path());
            kill_process(old_pid, signal).unwrap();
            while test_kill_process(old_pid).is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            wait_until_up(&url).await;
            assert_ne!(postmaster(dir.path()), old_pid);
            assert_eq!(count(&url, "select sum(n)::bigint from items").await, sum, "after {signal:?}");
        }
    };
    tokio::select! {
        result = timeout(TIMEOUT, outages) => result.expect("the server is up in time"),
        never = cluster.keep_running() => match never {},
    }
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn stopping_during_a_restart_leaves_no_process() {
    let dir = TempDir::new("keep-stop").unwrap();
    for milliseconds in [1, 205, 230, 300] {
        let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
        let before = log(dir.path()).len();
        kill_process(postmaster(dir.path()), Signal::KILL).unwrap();
        timeout(Duration::from_millis(milliseconds), cluster.keep_running()).await.unwrap_err();
        timeout(TIMEOUT, cluster.stop()).await.expect("the cluster stops in time").unwrap();

        let log = log(dir.path());
        let log = &log[before..];
        let (starts, stops) = (log.matches("starting PostgreSQL"), log.matches("is shut down"));
        assert_eq!(starts.count(), stops.count(), "after {milliseconds} ms: {log}");
    }
}

#[tokio::test]
async fn retries_until_the_server_starts() {
    let dir = TempDir::new("keep-trying").unwrap();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    let url = cluster.superuser_url("postgres");
    let settings = dir.path().join("postgres/data/postgresql.auto.conf");
    let outages = async {
        fs::write(&settings, "no_such_thing = 1\n").unwrap();
        kill_process(postmaster(dir.path()), Signal::KILL).unwrap();
        while log(dir.path()).matches("no_such_thing").count() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        fs::write(&settings, "").unwrap();
        wait_until_up(&url).await;
    };
    tokio::select! {
        result = timeout(TIMEOUT, outages) => result.expect("the server is up in time"),
        never = cluster.keep_running() => match never {},
    }
    cluster.stop().await.unwrap();
}
