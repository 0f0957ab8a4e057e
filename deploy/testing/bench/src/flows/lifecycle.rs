//! Start, memory and size of a store, in a data directory of its own.

use std::{fs, time::Duration};

use anyhow::Context as _;
use tokio::time::sleep;

use super::IDLE_TIME;
use crate::{
    outcome::{Outcome, median},
    target::{Build, DataDir, Standalone, timed_start},
    wrk::{self, Load},
};

const RESTARTS: usize = 3;
const LOGINS: u64 = 500;
const LOGIN_USERS: usize = 16;
const MEBIBYTE: f64 = 1_048_576.0;

pub(super) async fn start(build: &Build) -> anyhow::Result<Vec<Outcome>> {
    let data = DataDir::new()?;
    let (store, first) = timed_start(build, &data, true).await?;
    drop(store);
    let mut restarts = Vec::new();
    for _ in 0..RESTARTS {
        let (store, restart) = timed_start(build, &data, true).await?;
        drop(store);
        restarts.push(restart.as_secs_f64() * 1000.0);
    }
    Ok(vec![
        Outcome::value("first start", first.as_secs_f64() * 1000.0, "ms"),
        Outcome::value("start with existing data", median(&restarts), "ms"),
    ])
}

pub(super) async fn memory(build: &Build) -> anyhow::Result<Vec<Outcome>> {
    let data = DataDir::new()?;
    drop(Standalone::start(build, &data, true).await?);
    let store = Standalone::start(build, &data, true).await?;
    sleep(IDLE_TIME).await;
    let Some(idle) = store.resident_memory() else { return Ok(Vec::new()) };

    let users = store.api.register_all(0, LOGIN_USERS).await?;
    let connections = users.iter().map(|user| vec![store.api.login(user)]).collect();
    let load = Load::Flows { connections, steps: 1, rate: None };
    let mut logins = 0;
    while logins < LOGINS {
        let observed = wrk::run(&store.api.address, &load, LOGIN_USERS, Duration::from_secs(1)).await?;
        anyhow::ensure!(observed.flows > 0, "every sign-in is rejected");
        logins += observed.flows;
    }
    let after = store.resident_memory().context("the store has exited")?;
    Ok(vec![
        Outcome::value("memory 10 s after a restart", idle as f64 / MEBIBYTE, "MiB"),
        Outcome::value("memory after 500 logins", after as f64 / MEBIBYTE, "MiB"),
    ])
}

pub(super) fn size(build: &Build) -> anyhow::Result<Vec<Outcome>> {
    let path = &build.bodega;
    let size = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    Ok(vec![Outcome::value("size of the program", size as f64 / 1e6, "MB")])
}
