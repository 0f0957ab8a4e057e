//! The embedded Postgres dies, and the store restarts it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bodega_embedded_postgres::testing::TempDir;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use crate::harness::{
    binary::{RunningStore, bodega, start_bodega, stdout_of},
    process,
    store::retry_while_unavailable,
};

const EMAIL: &str = "ada@shop.example";
const PASSWORD: &str = "tea at four";

/// Maximum time until the store is ready again.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(10);

fn command(dir: &TempDir) -> Command {
    let mut command = bodega(dir.path(), &["--demo=false"]);
    command.env("BODEGA_ADMIN_EMAIL", EMAIL).env("BODEGA_ADMIN_PASSWORD", PASSWORD);
    command
}

/// The process id of the store's Postgres, if it runs.
fn postmaster(data_dir: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(data_dir.join("postgres/data/postmaster.pid")).ok()?;
    Pid::from_raw(text.lines().next()?.parse().ok()?)
}

/// Kills the store's Postgres, and waits until the store is ready with a new one.
async fn kill_database(dir: &TempDir, store: &RunningStore, signal: Signal) {
    let killed = postmaster(dir.path()).unwrap();
    kill_process(killed, signal).unwrap();
    let started = Instant::now();
    while postmaster(dir.path()).is_none_or(|pid| pid == killed) || !store.guest.reaches_all_services().await
    {
        assert!(started.elapsed() < RECOVERY_TIMEOUT, "not ready after {RECOVERY_TIMEOUT:?}");
        store.guest.get("/healthz").await.expect(200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eprintln!("ready {:?} after {signal:?}", started.elapsed());
}

#[tokio::test]
async fn restarts_a_killed_database_with_all_data() {
    let dir = TempDir::new("outage").unwrap();
    let store = start_bodega(&mut command(&dir)).await;
    let ada = store.sign_in(EMAIL, PASSWORD).await;
    let mug = ada.create_product("Mug", "19.99", 9).await;
    let mut orders = vec![ada.buy(mug, 2).await];
    for (key, signal) in [("first", Signal::KILL), ("second", Signal::QUIT), ("third", Signal::KILL)] {
        ada.add_to_cart(mug, 1).await.expect(200);
        kill_database(&dir, &store, signal).await;
        for order in &orders {
            let path = format!("/api/orders/{}", order["id"].as_str().unwrap());
            assert_eq!(&retry_while_unavailable(async || ada.get(&path).await).await.expect(200).json, order);
        }
        let order = retry_while_unavailable(async || ada.place_order_with_key(key).await).await;
        orders.push(order.expect(201).json);
    }
    assert_eq!(ada.stock_of(mug).await, 4);
    assert!(stdout_of(&mut bodega(dir.path(), &["verify"])).await.contains("checks passed"));
    assert!(store.process.terminate().await.success());
    assert_eq!(process::processes_on(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn stopping_without_a_database_leaves_no_process() {
    let dir = TempDir::new("outage-end").unwrap();
    for milliseconds in [0, 210, 260, 500] {
        let store = start_bodega(&mut command(&dir)).await;
        kill_process(postmaster(dir.path()).unwrap(), Signal::KILL).unwrap();
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        let status = store.process.terminate().await;
        assert!(status.success(), "after {milliseconds} ms: {status}");
        process::wait_until_unused(dir.path()).await;
    }
    let store = start_bodega(&mut command(&dir)).await;
    assert!(store.process.terminate().await.success());
}
