//! More load than the store can serve: the store keeps most of its throughput and rejects the other requests quickly.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    load::{Operation, Pace, Recording, Sample, Users, p99, percentile, slowest, statuses},
    peak::{self, Peak},
    results::{Results, format_duration, format_rate},
};
use crate::cluster::{Cluster, Role};

/// The share of the peak that must remain under overload.
const GOODPUT_SHARE: f64 = 0.8;
/// How quickly load shedding must reject a request.
const REJECTION_LIMIT: Duration = Duration::from_millis(100);
/// The timeout of a Kubernetes probe.
const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// Requests per second of each health probe.
const PROBE_RATE: f64 = 4.0;
/// The time at the start of the load that is not measured.
const WARM_UP: Duration = Duration::from_secs(2);
/// Time after the overload until memory is read again.
const COOL_DOWN: Duration = Duration::from_secs(2);
const MEMORY_INTERVAL: Duration = Duration::from_millis(250);
/// Bytes by which the memory of a process may grow.
const GROWTH_LIMIT: u64 = 256 << 20;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Overload {
    /// Users with a connection each, and so the most requests that wait for a response.
    pub(crate) users: usize,
    /// How long each number of users is tried while searching for the peak.
    pub(crate) step: Duration,
    /// The load as a multiple of the peak.
    pub(crate) factor: f64,
    pub(crate) duration: Duration,
}

pub(crate) async fn run(cluster: &Cluster, overload: Overload) -> anyhow::Result<Results> {
    let Overload { users, step, factor, duration } = overload;
    let all = Users::register(cluster, users).await?.bypassing_proxy(cluster);
    let Peak { rate: peak, users: best, tried } = peak::find(&all, step).await?;

    let memory_before = memory(cluster);
    let shopping = all.start(0..all.len(), Operation::SHOPPING, Pace::PerSecond(peak * factor));
    let healthz = all.start(0..1, &[Operation::Healthz], Pace::PerSecond(PROBE_RATE));
    let readyz = all.start(0..1, &[Operation::Readyz], Pace::PerSecond(PROBE_RATE));
    let memory_peak = observe_memory(cluster, duration).await;
    let (shopping, healthz, readyz) = (shopping.stop().await?, healthz.stop().await?, readyz.stop().await?);
    sleep(COOL_DOWN).await;
    let memory_after = memory(cluster);
    // Measured again, since the capacity of the machine changes with its other work.
    let peak_after = peak::measure(&all, best, step * 2).await?;

    let mut results = Results::new(format!(
        "{factor} times the peak for {} s over {users} connections. The peak is the highest rate of good responses within 2 s \
         to users who send the next request after each response.",
        duration.as_secs()
    ));
    results.note("good responses by number of users", tried);
    results.note("peak before and after", format!("{}, {}", format_rate(peak), format_rate(peak_after)));
    add_response_results(&mut results, &shopping, peak.midpoint(peak_after));
    for (path, recording) in [("`/healthz`", healthz), ("`/readyz`", readyz)] {
        let failed: Vec<_> = recording.samples.iter().filter(|sample| !sample.is_success()).collect();
        results.expect_none(
            format!("{path}: responses other than 200"),
            failed.len(),
            statuses(failed.iter().copied()),
        );
        results.expect_at_most(format!("{path}: slowest response"), PROBE_LIMIT, slowest(&recording.samples));
    }
    for (((role, before), peak), after) in
        Role::ALL.iter().zip(memory_before).zip(memory_peak).zip(memory_after)
    {
        results.expect(
            format!("memory of {role}: before, peak, after"),
            format!("at most {} more", mebibytes(GROWTH_LIMIT)),
            [before, peak, after].map(mebibytes).join(", "),
            peak.saturating_sub(before) <= GROWTH_LIMIT,
        );
    }
    Ok(results)
}

fn add_response_results(results: &mut Results, recording: &Recording, peak: f64) {
    let measured = WARM_UP.min(recording.duration / 5)..recording.duration;
    let samples = recording.sent_in(&measured);
    let per_second = |count: f64| count / recording.duration.as_secs_f64();
    let sent = per_second(recording.samples.len() as f64);
    let due = sent + per_second(recording.skipped as f64);
    results.note("requests per second: due, sent", format!("{}, {}", format_rate(due), format_rate(sent)));
    results.note("responses by status", statuses(&samples));
    let goodput = recording.rate(&measured, Sample::is_good);
    results.expect(
        "good responses per second",
        format!("at least {} of {}", format_rate(peak * GOODPUT_SHARE), format_rate(peak)),
        format_rate(goodput),
        goodput >= peak * GOODPUT_SHARE,
    );
    let good = samples.iter().filter(|sample| sample.is_good());
    results.note("p99 of good responses", format_duration(p99(good)));
    let unexpected: Vec<_> =
        samples.iter().filter(|sample| !sample.is_good() && !sample.is_rejected_with_retry_after()).collect();
    results.expect_none(
        "responses that are neither good nor rejections with `Retry-After`",
        unexpected.len(),
        statuses(unexpected.iter().copied()),
    );
    let rejected: Vec<_> = samples.iter().filter(|sample| sample.is_rejected_with_retry_after()).collect();
    let median = percentile(rejected.iter().map(|sample| sample.latency), 0.5);
    results.note("median of rejections", format_duration(median));
    results.expect_at_most("p99 of rejections", REJECTION_LIMIT, p99(rejected.iter().copied()));
    let late = rejected.iter().filter(|sample| sample.latency > REJECTION_LIMIT).count();
    results.note(
        "rejections later than that, slowest rejection",
        format!("{late} of {}, {}", rejected.len(), format_duration(slowest(rejected))),
    );
}

/// Returns the memory of each of [`Role::ALL`] in bytes; 0 if it is down.
fn memory(cluster: &Cluster) -> [u64; 6] {
    Role::ALL.map(|role| cluster.rss(role).unwrap_or_default())
}

/// Returns the highest memory of each process within `duration`.
async fn observe_memory(cluster: &Cluster, duration: Duration) -> [u64; 6] {
    let started = Instant::now();
    let mut peak = memory(cluster);
    while started.elapsed() < duration {
        sleep(MEMORY_INTERVAL).await;
        for (peak, now) in peak.iter_mut().zip(memory(cluster)) {
            *peak = now.max(*peak);
        }
    }
    peak
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
