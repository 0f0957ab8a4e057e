use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use super::*;
use crate::proxy::Mode;

/// Longer than anything takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn start(standalone: bool) -> Fleet {
    let options = FleetOptions { standalone, durable: false, seed: 0, access_ttl: None, log_dir: None };
    Fleet::start(options).await.unwrap()
}

/// Signs the admin in; their access token.
async fn sign_in(fleet: &Fleet) -> String {
    let Admin { email, password } = fleet.admin();
    let request = fleet.http.post(format!("{}/api/auth/login", fleet.url()));
    let answer = request.json(&json!({"email": email, "password": password})).send().await.unwrap();
    let session: Value = answer.json().await.unwrap();
    session["token"].as_str().unwrap_or_else(|| panic!("{session}")).to_owned()
}

/// Puts a category up, as somebody who is signed in.
async fn write(fleet: &Fleet, token: &str, name: &str) {
    let request = fleet.http.post(format!("{}/api/categories", fleet.url())).bearer_auth(token);
    let answer = request.json(&json!({"name": name})).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
}

/// Waits until the gateway says that it cannot serve, or says nothing.
async fn notices(fleet: &Fleet) {
    let noticed = async { while fleet.is_ready(Duration::ZERO).await.is_ok() {} };
    timeout(PATIENCE, noticed).await.expect("the gateway notices");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_processes_comes_back_from_every_kill() {
    let fleet = start(false).await;
    let token = sign_in(&fleet).await;
    for role in Role::ALL {
        assert!(fleet.rss(role).is_some_and(|bytes| bytes > 1_000_000), "{role} runs");
        // What is answered must survive what comes next.
        write(&fleet, &token, role.name()).await;
        fleet.kill(role).await.unwrap();
        assert_eq!(fleet.rss(role), None, "{role} is down");
        fleet.kill(role).await.unwrap();
        notices(&fleet).await;
        fleet.restart(role).await.unwrap();
        fleet.is_ready(PATIENCE).await.unwrap();
    }
    let categories = fleet.http.get(format!("{}/api/categories", fleet.url())).send().await.unwrap();
    let categories = categories.text().await.unwrap();
    for role in Role::ALL {
        assert!(categories.contains(&format!("\"{role}\"")), "{role}: {categories}");
    }
    fleet.verify().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_one_process_comes_back_from_every_kill() {
    let fleet = start(true).await;
    let url = fleet.url().to_owned();
    for role in [Role::Postgres, Role::Order] {
        let token = sign_in(&fleet).await;
        write(&fleet, &token, role.name()).await;
        fleet.kill(role).await.unwrap();
        notices(&fleet).await;
        fleet.restart(role).await.unwrap();
        fleet.is_ready(PATIENCE).await.unwrap();
        assert_eq!(fleet.url(), url);
    }
    fleet.roll(Role::Catalog).await.unwrap();
    let categories = fleet.http.get(format!("{}/api/categories", fleet.url())).send().await.unwrap();
    let categories = categories.text().await.unwrap();
    assert!(categories.contains("\"postgres\"") && categories.contains("\"order\""), "{categories}");
    fleet.verify().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_puts_another_process_in_the_place_of_one_that_leaves_in_good_order() {
    let fleet = start(false).await;
    for role in Role::PROCESSES {
        let pid = || fleet.member(role).unwrap().pid().unwrap();
        let before = pid();
        fleet.roll(role).await.unwrap();
        assert_ne!(pid(), before, "{role}");
        assert!(!process_exists(before), "{role} has left");
        fleet.is_ready(PATIENCE).await.unwrap();
        sign_in(&fleet).await;
    }
    assert!(fleet.roll(Role::Postgres).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_does_nothing_until_it_is_resumed() {
    let fleet = start(false).await;
    let mut database = PgConnection::connect(&fleet.database_url()).await.unwrap();
    for role in Role::ALL {
        fleet.pause(role).await.unwrap();
        let ping = sqlx::query("select 1");
        match role {
            Role::Postgres => {
                let answer = timeout(Duration::from_secs(1), ping.execute(&mut database)).await;
                assert!(answer.is_err(), "connections that are open are paused, too");
            }
            _ => notices(&fleet).await,
        }
        fleet.resume(role).await.unwrap();
        fleet.is_ready(PATIENCE).await.unwrap();
    }
    // Killed though it is paused, and dropped while it is.
    fleet.pause(Role::Postgres).await.unwrap();
    fleet.kill(Role::Postgres).await.unwrap();
    fleet.restart(Role::Postgres).await.unwrap();
    fleet.pause(Role::Postgres).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_reach_the_database_through_its_proxy_and_others_past_it() {
    let fleet = start(false).await;
    fleet.proxy(Role::Postgres).set(Mode::BlackHole);
    notices(&fleet).await;
    fleet.verify().await.unwrap();
    fleet.proxy(Role::Postgres).set(Mode::Pass);
    fleet.is_ready(PATIENCE).await.unwrap();
    fleet.proxy(Role::Postgres).cut();
    fleet.is_ready(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_by_itself_is_started_again_and_what_was_killed_is_not() {
    let fleet = start(false).await;
    let cart = fleet.member(Role::Cart).unwrap();
    let pid = cart.pid().unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let revived = async {
        while cart.pid() == Some(pid) {
            sleep(PROBE_INTERVAL).await;
        }
    };
    timeout(PATIENCE, revived).await.unwrap();
    fleet.is_ready(PATIENCE).await.unwrap();

    for role in Role::ALL {
        fleet.kill(role).await.unwrap_or_else(|cause| panic!("{role}: {cause:#}"));
    }
    sleep(REVIVAL_INTERVAL * 3).await;
    for role in Role::ALL {
        assert_eq!(fleet.rss(role), None, "{role}");
        assert!(fleet.pause(role).await.is_err(), "{role} is down");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_when_it_is_dropped() {
    for standalone in [false, true] {
        let fleet = start(standalone).await;
        let directory = fleet.site.data_dir().to_owned();
        let mut pids: Vec<_> = fleet.members.iter().filter_map(Member::pid).collect();
        pids.push(fleet.postmaster().pid().unwrap());
        drop(fleet);
        assert!(!directory.exists());
        for pid in pids {
            assert!(!process_exists(pid), "{pid}");
        }
    }
}

/// Whether there is such a process that has not ended.
fn process_exists(pid: rustix::process::Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|text| !text.contains(") Z "))
}
