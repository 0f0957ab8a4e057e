use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{sleep, timeout};

use super::*;
use crate::proxy::Mode;

/// Longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A connection that was used more recently is not checked: a call that uses one that was cut fails with 503.
const MAX_UNCHECKED_IDLE: Duration = Duration::from_secs(1);

async fn start(standalone: bool) -> Cluster {
    let options = ClusterOptions {
        standalone,
        durable: false,
        seed: 0,
        access_ttl: None,
        log_dir: None,
        metrics: false,
        pgbouncer: None,
    };
    Cluster::start(options).await.unwrap()
}

/// Returns an access token of the admin.
async fn sign_in(cluster: &Cluster) -> String {
    let Admin { email, password } = cluster.admin();
    let request = cluster.http.post(format!("{}/api/auth/login", cluster.url())).timeout(TIMEOUT);
    let response = request.json(&json!({"email": email, "password": password})).send().await.unwrap();
    let session: Value = response.json().await.unwrap();
    session["token"].as_str().unwrap_or_else(|| panic!("{session}")).to_owned()
}

async fn create_category(cluster: &Cluster, token: &str, name: &str) {
    let request = cluster.http.post(format!("{}/api/categories", cluster.url())).timeout(TIMEOUT);
    let request = request.bearer_auth(token);
    let response = request.json(&json!({"name": name})).send().await.unwrap();
    assert_eq!(response.status(), 201, "{}", response.text().await.unwrap());
}

async fn list_categories(cluster: &Cluster) -> String {
    let request = cluster.http.get(format!("{}/api/categories", cluster.url())).timeout(TIMEOUT);
    let response = request.send().await.unwrap();
    response.text().await.unwrap()
}

/// Waits until the gateway is not ready, or does not respond.
async fn wait_until_unready(cluster: &Cluster) {
    let unready = async { while cluster.wait_until_ready(Duration::ZERO).await.is_ok() {} };
    timeout(TIMEOUT, unready).await.expect("the gateway is still ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn separate_processes_recover_from_every_kill() {
    let cluster = start(false).await;
    let token = sign_in(&cluster).await;
    for role in Role::ALL {
        assert!(cluster.rss(role).is_some_and(|bytes| bytes > 1_000_000), "{role} is running");
        // An acknowledged write must survive the kill.
        create_category(&cluster, &token, role.name()).await;
        cluster.kill(role).await.unwrap();
        assert_eq!(cluster.rss(role), None, "{role} is down");
        cluster.kill(role).await.unwrap();
        wait_until_unready(&cluster).await;
        cluster.restart(role).await.unwrap();
        cluster.wait_until_ready(TIMEOUT).await.unwrap();
    }
    let categories = list_categories(&cluster).await;
    for role in Role::ALL {
        assert!(categories.contains(&format!("\"{role}\"")), "{role}: {categories}");
    }
    cluster.verify().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_store_recovers_from_every_kill() {
    let cluster = start(true).await;
    let url = cluster.url().to_owned();
    for role in [Role::Postgres, Role::Order] {
        let token = sign_in(&cluster).await;
        create_category(&cluster, &token, role.name()).await;
        cluster.kill(role).await.unwrap();
        // The store restarts its Postgres itself, often before the next health check.
        if role != Role::Postgres {
            wait_until_unready(&cluster).await;
        }
        cluster.restart(role).await.unwrap();
        if role == Role::Postgres {
            // From now on each connection is checked before its use.
            sleep(2 * MAX_UNCHECKED_IDLE).await;
        }
        cluster.wait_until_ready(TIMEOUT).await.unwrap();
        assert_eq!(cluster.url(), url);
    }
    cluster.rolling_restart(Role::Catalog).await.unwrap();
    let categories = list_categories(&cluster).await;
    assert!(categories.contains("\"postgres\"") && categories.contains("\"order\""), "{categories}");
    cluster.verify().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_replaces_each_process() {
    let cluster = start(false).await;
    for role in Role::PROCESSES {
        let pid = || cluster.node(role).unwrap().pid().unwrap();
        let before = pid();
        cluster.rolling_restart(role).await.unwrap();
        assert_ne!(pid(), before, "{role}");
        assert!(!process_exists(before), "{role} has exited");
        cluster.wait_until_ready(TIMEOUT).await.unwrap();
        sign_in(&cluster).await;
    }
    assert!(cluster.rolling_restart(Role::Postgres).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_process_does_nothing_until_it_is_resumed() {
    let cluster = start(false).await;
    let mut database = PgConnection::connect(&cluster.database_url()).await.unwrap();
    for role in Role::ALL {
        cluster.pause(role).unwrap();
        let ping = sqlx::query("select 1");
        match role {
            Role::Postgres => {
                let response = timeout(Duration::from_secs(1), ping.execute(&mut database)).await;
                assert!(response.is_err(), "open connections are paused, too");
            }
            _ => wait_until_unready(&cluster).await,
        }
        cluster.resume(role).unwrap();
        cluster.wait_until_ready(TIMEOUT).await.unwrap();
    }
    // A paused server can be killed and dropped.
    cluster.pause(Role::Postgres).unwrap();
    cluster.kill(Role::Postgres).await.unwrap();
    cluster.restart(Role::Postgres).await.unwrap();
    cluster.pause(Role::Postgres).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_services_reach_the_database_through_its_proxy() {
    let cluster = start(false).await;
    cluster.proxy(Role::Postgres).set_mode(Mode::BlackHole);
    wait_until_unready(&cluster).await;
    cluster.verify().await.unwrap();
    cluster.proxy(Role::Postgres).set_mode(Mode::Forward);
    cluster.wait_until_ready(TIMEOUT).await.unwrap();
    cluster.proxy(Role::Postgres).close_connections();
    cluster.wait_until_ready(TIMEOUT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_processes_that_exit_but_not_killed_ones() {
    let cluster = start(false).await;
    let cart = cluster.node(Role::Cart).unwrap();
    let pid = cart.pid().unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let restarted = async {
        while cart.pid() == Some(pid) {
            sleep(PROBE_INTERVAL).await;
        }
    };
    timeout(TIMEOUT, restarted).await.unwrap();
    cluster.wait_until_ready(TIMEOUT).await.unwrap();

    for role in Role::ALL {
        cluster.kill(role).await.unwrap_or_else(|error| panic!("{role}: {error:#}"));
    }
    sleep(RESTART_INTERVAL * 3).await;
    for role in Role::ALL {
        assert_eq!(cluster.rss(role), None, "{role}");
        assert!(cluster.pause(role).is_err(), "{role} is down");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_no_process_or_file_when_dropped() {
    for standalone in [false, true] {
        let cluster = start(standalone).await;
        let directory = cluster.topology.data_dir().to_owned();
        let mut pids: Vec<_> = cluster.nodes.iter().filter_map(Node::pid).collect();
        pids.push(cluster.postmaster().pid().unwrap());
        drop(cluster);
        assert!(!directory.exists());
        for pid in pids {
            assert!(!process_exists(pid), "{pid}");
        }
    }
}

/// Whether a process exists and has not exited.
fn process_exists(pid: rustix::process::Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|text| !text.contains(") Z "))
}
