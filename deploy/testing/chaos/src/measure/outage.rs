//! A database that stops responding for a while.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    load::{Operation, Pace, Recording, Sample, TIMELY, Users, slowest, statuses, statuses_by_operation},
    pools,
    results::{Results, format_duration, format_rate},
};
use crate::{
    cluster::{Cluster, Role},
    proxy::Mode,
};

/// The share of the earlier rate that must be reached again.
const RECOVERED_SHARE: f64 = 0.9;
const RECOVERY_LIMIT: Duration = Duration::from_secs(5);
/// The load opens its connections before anything is counted.
const WARM_UP: Duration = Duration::from_secs(2);
/// Requests per second of each health probe.
const PROBE_RATE: f64 = 4.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseFault {
    /// All processes of the server are stopped.
    Frozen,
    /// The proxy accepts connections and forwards nothing, not even that one was closed.
    Silent,
}

impl DatabaseFault {
    async fn start(self, cluster: &Cluster) -> anyhow::Result<()> {
        match self {
            Self::Frozen => cluster.pause(Role::Postgres)?,
            Self::Silent => cluster.proxy(Role::Postgres).set_mode(Mode::BlackHole),
        }
        Ok(())
    }

    async fn stop(self, cluster: &Cluster) -> anyhow::Result<()> {
        match self {
            Self::Frozen => cluster.resume(Role::Postgres)?,
            Self::Silent => cluster.proxy(Role::Postgres).set_mode(Mode::Forward),
        }
        Ok(())
    }

    fn description(self) -> &'static str {
        match self {
            Self::Frozen => "Postgres is stopped with SIGSTOP",
            Self::Silent => "Postgres accepts connections and never responds",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    pub(crate) fault: DatabaseFault,
    pub(crate) users: usize,
    /// Requests per second of all users.
    pub(crate) rate: f64,
    /// How long the rate before the outage is measured.
    pub(crate) before: Duration,
    pub(crate) duration: Duration,
    /// How long the rate after the outage is measured; longer than the recovery may take.
    pub(crate) after: Duration,
}

struct Observed {
    shopping: Recording,
    healthz: Recording,
    readyz: Recording,
    /// Start and end of the outage, since the start of the load.
    started: Duration,
    ended: Duration,
}

pub(crate) async fn run(cluster: &Cluster, outage: Outage) -> anyhow::Result<Results> {
    let users = Users::register(cluster, outage.users).await?;
    let pools_before = pools::count_usable(cluster, &users).await?;
    let pids = || Role::PROCESSES.map(|role| cluster.pid(role));
    let pids_before = pids();

    let shopping = users.start(0..users.len(), Operation::SHOPPING, Pace::PerSecond(outage.rate));
    let healthz = users.start(0..1, &[Operation::Healthz], Pace::PerSecond(PROBE_RATE));
    let readyz = users.start(0..1, &[Operation::Readyz], Pace::PerSecond(PROBE_RATE));
    sleep(WARM_UP + outage.before).await;
    let started = shopping.elapsed();
    outage.fault.start(cluster).await?;
    sleep(outage.duration).await;
    outage.fault.stop(cluster).await?;
    let ended = shopping.elapsed();
    sleep(outage.after).await;
    let observed = Observed {
        shopping: shopping.stop().await?,
        healthz: healthz.stop().await?,
        readyz: readyz.stop().await?,
        started,
        ended,
    };

    let mut results = Results::new(format!(
        "{} for {} s while {} users send {} requests per second.",
        outage.fault.description(),
        outage.duration.as_secs(),
        outage.users,
        outage.rate
    ));
    add_results_during(&mut results, &observed);
    add_results_after(&mut results, &observed, outage);
    let restarted: Vec<_> = Role::PROCESSES
        .iter()
        .zip(pids_before.iter().zip(pids()))
        .filter(|(_, (before, after))| **before != *after)
        .map(|(role, _)| role.to_string())
        .collect();
    results.expect_none("restarted processes", restarted.len(), restarted.join(", "));
    let pools_after = pools::count_usable(cluster, &users).await?;
    results.expect(
        "usable database connections of each service",
        format!("as before: {pools_before}"),
        pools_after.to_string(),
        pools_before == pools_after,
    );
    Ok(results)
}

fn add_results_during(results: &mut Results, observed: &Observed) {
    let outage = observed.started..observed.ended;
    let samples = observed.shopping.sent_in(&outage);
    results.note("responses during the outage, by status", statuses(&samples));
    let unexpected: Vec<_> =
        samples.iter().filter(|sample| !sample.is_success() && !is_unavailable(sample)).collect();
    results.expect_none(
        "responses during the outage other than 2xx or 503 with `Retry-After`",
        unexpected.len(),
        statuses(unexpected.iter().copied()),
    );
    results.expect_at_most("slowest response during the outage", TIMELY, slowest(&samples));

    let healthz = observed.healthz.sent_in(&outage);
    let failed: Vec<_> = healthz.iter().filter(|sample| !sample.is_success()).collect();
    results.expect_none(
        "`/healthz` during the outage: responses other than 200",
        failed.len(),
        statuses(failed.iter().copied()),
    );
    results.note("`/healthz` during the outage: slowest response", format_duration(slowest(&healthz)));
    let readyz = observed.readyz.sent_in(&outage);
    let not_ready: Vec<_> = readyz.iter().filter(|sample| !sample.is_success()).collect();
    results.expect_none(
        "`/readyz` during the outage: responses other than 200",
        not_ready.len(),
        statuses(not_ready.iter().copied()),
    );
    results.expect_at_most("`/readyz` during the outage: slowest response", TIMELY, slowest(&readyz));
}

fn add_results_after(results: &mut Results, observed: &Observed, outage: Outage) {
    let Observed { shopping, started, ended, .. } = observed;
    let before = shopping.rate(&(*started - outage.before..*started), Sample::is_success);
    results.note("successful requests per second before", format_rate(before));
    let recovered = shopping.recovery_time(*ended, before * RECOVERED_SHARE);
    results.expect(
        "time after the outage until 90 % of that rate is reached",
        format!("at most {}", format_duration(Some(RECOVERY_LIMIT))),
        recovered.map_or("not reached".to_owned(), |time| format_duration(Some(time))),
        recovered.is_some_and(|time| time <= RECOVERY_LIMIT),
    );
    let recovered = *ended + RECOVERY_LIMIT..shopping.duration;
    if recovered.start < recovered.end {
        let after = shopping.rate(&recovered, Sample::is_success);
        results.expect(
            format!("successful requests per second from {} s after the outage", RECOVERY_LIMIT.as_secs()),
            format!("at least {}", format_rate(before * RECOVERED_SHARE)),
            format_rate(after),
            after >= before * RECOVERED_SHARE,
        );
        let samples = shopping.sent_in(&recovered);
        let failed = samples.iter().filter(|sample| !sample.is_good());
        results.note("failures from then on", statuses_by_operation(failed));
    }
}

fn is_unavailable(sample: &Sample) -> bool {
    sample.response.status == Ok(503) && sample.is_rejected_with_retry_after()
}
