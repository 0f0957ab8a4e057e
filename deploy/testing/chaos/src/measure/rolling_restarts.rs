//! Rolling restarts of every process under load, which no client should notice.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

use super::{
    load::{Operation, Pace, Users, p99, slowest, statuses, statuses_by_operation},
    results::{Results, format_duration},
};
use crate::cluster::{Cluster, Role};

#[derive(Clone, Copy, Debug)]
pub(crate) struct RollingRestarts {
    pub(crate) users: usize,
    /// Requests per second of all users.
    pub(crate) rate: f64,
    /// Restarts of each process.
    pub(crate) rounds: u32,
    /// Before each restart, and after the last.
    pub(crate) pause: Duration,
}

pub(crate) async fn run(cluster: &Cluster, experiment: RollingRestarts) -> anyhow::Result<Results> {
    let RollingRestarts { users, rate, rounds, pause } = experiment;
    let all = Users::register(cluster, users).await?;
    let load = all.start(0..all.len(), Operation::SHOPPING, Pace::PerSecond(rate));
    let mut restarts = Vec::new();
    for round in 0..rounds {
        for role in Role::PROCESSES {
            sleep(pause).await;
            let started = load.elapsed();
            cluster.rolling_restart(role).await.with_context(|| format!("restart {round} of {role}"))?;
            restarts.push((role, started..load.elapsed()));
        }
    }
    sleep(pause).await;
    let recording = load.stop().await?;

    let mut results = Results::new(format!(
        "Each of the five processes is replaced {rounds} times while {users} users send {rate} requests per second. A \
         request is sent a second time if its connection was refused, or closed without a response to a repeatable request."
    ));
    let samples = &recording.samples;
    results.note("requests", samples.len().to_string());
    results.note("requests skipped because every user was waiting", recording.skipped.to_string());
    let retried = samples.iter().filter(|sample| sample.response.is_retry);
    results.note("requests sent twice", retried.count().to_string());
    let failed: Vec<_> = samples.iter().filter(|sample| !sample.is_success()).collect();
    results.expect_none("failed requests", failed.len(), statuses_by_operation(failed.iter().copied()));
    results.note("p99", format_duration(p99(samples)));
    results.note("slowest response", format_duration(slowest(samples)));
    for role in Role::PROCESSES {
        let times = restarts.iter().filter(|(restarted, _)| *restarted == role).map(|(_, time)| time);
        let longest = times.clone().map(|time| time.end - time.start).max();
        let during: Vec<_> = times.flat_map(|time| recording.sent_in(time)).collect();
        let failed = during.iter().filter(|sample| !sample.is_success());
        results.note(
            format!("{role}: longest restart, from the start of the new process to the exit of the old one"),
            format!("{}; failed requests meanwhile: {}", format_duration(longest), statuses(failed)),
        );
    }
    Ok(results)
}
