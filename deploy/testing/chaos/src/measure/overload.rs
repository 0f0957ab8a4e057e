//! More than a store can do: what it does is still worth doing, and whoever is too many is told so at once.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    crowd::Crowd,
    customer::Step,
    figures::{Figures, percentile, rate, time},
    load::Pace,
    peak::{self, Peak},
    record::{Record, Sample, p99, slowest, statuses},
};
use crate::fleet::{Fleet, Role};

/// The part of the peak that must be left.
const GOODPUT: f64 = 0.8;
/// How soon whoever is too many must be told.
const AT_ONCE: Duration = Duration::from_millis(100);
/// How soon a probe must be answered: Kubernetes waits that long.
const PROBE: Duration = Duration::from_secs(1);
/// How often each probe asks, in requests a second.
const PROBES: f64 = 4.0;
/// How long the overload lasts before anything is counted.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long after it memory is looked at again.
const REST: Duration = Duration::from_secs(2);
/// How often memory is looked at.
const INTERVAL: Duration = Duration::from_millis(250);
/// By how much a process may grow, in bytes.
const GROWTH: u64 = 256 << 20;

/// What an overload is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overload {
    /// How many shop, each with a connection: so many requests wait for an answer at most.
    pub(crate) customers: usize,
    /// How long each number of customers is tried while the peak is looked for.
    pub(crate) step_lasts: Duration,
    /// How many times the peak is asked for.
    pub(crate) times: f64,
    /// For how long.
    pub(crate) lasts: Duration,
}

/// Measures what is still answered, and how the rest is sent away.
///
/// # Errors
/// When the store refuses customers.
pub(crate) async fn run(fleet: &Fleet, overload: Overload) -> anyhow::Result<Figures> {
    let Overload { customers, step_lasts, times, lasts } = overload;
    let crowd = Crowd::gather(fleet, customers).await?.past_proxy(fleet);
    let Peak { rate: peak, customers: best, tried } = peak::find(&crowd, step_lasts).await?;

    let before = memory(fleet);
    let load = crowd.load(0..crowd.size(), Step::SHOPPING, Pace::PerSecond(peak * times));
    let live = crowd.load(0..1, &[Step::Live], Pace::PerSecond(PROBES));
    let ready = crowd.load(0..1, &[Step::Ready], Pace::PerSecond(PROBES));
    let most = watch(fleet, lasts).await;
    let (record, live, ready) = (load.end().await?, live.end().await?, ready.end().await?);
    sleep(REST).await;
    let after = memory(fleet);
    // What a machine can do changes with what else is done on it.
    let peak_after = peak::of(&crowd, best, step_lasts * 2).await?;

    let mut figures = Figures::new(format!(
        "{times} times the peak for {} s, over {customers} connections. The peak is the most that was answered well, in \
         time, of customers who ask again as soon as they are answered.",
        lasts.as_secs()
    ));
    figures.note("good answers by customers at once", tried);
    figures.note("the peak before and after", format!("{}, {}", rate(peak), rate(peak_after)));
    answers(&mut figures, &record, peak.midpoint(peak_after));
    for (what, record) in [("`/healthz`", live), ("`/readyz`", ready)] {
        let failed = record.samples.iter().filter(|sample| !sample.is_success());
        figures.want_none(
            format!("{what}: answers other than 200"),
            failed.clone().count(),
            statuses(failed),
        );
        figures.want_at_most(format!("{what}: slowest answer"), PROBE, slowest(&record.samples));
    }
    for (((role, before), most), after) in Role::ALL.iter().zip(before).zip(most).zip(after) {
        figures.want(
            format!("memory of {role}: before, at most, after"),
            format!("at most {} more", mebibytes(GROWTH)),
            [before, most, after].map(mebibytes).join(", "),
            most.saturating_sub(before) <= GROWTH,
        );
    }
    Ok(figures)
}

/// What was answered, and what was sent away.
fn answers(figures: &mut Figures, record: &Record, peak: f64) {
    let time_that_counts = WARM_UP.min(record.lasted / 5)..record.lasted;
    let samples = record.sent_in(&time_that_counts);
    let sent = record.samples.len() as f64 / record.lasted.as_secs_f64();
    let offered = sent + record.unsent as f64 / record.lasted.as_secs_f64();
    figures.note(
        "requests a second that were due, and that were sent",
        format!("{}, {}", rate(offered), rate(sent)),
    );
    figures.note("answers by status", statuses(&samples));
    let good = record.rate(&time_that_counts, Sample::is_good);
    figures.want(
        "good answers a second",
        format!("at least {} of {}", rate(peak * GOODPUT), rate(peak)),
        rate(good),
        good >= peak * GOODPUT,
    );
    let good: Vec<_> = samples.iter().filter(|sample| sample.is_good()).collect();
    figures.note("p99 of good answers", time(p99(good.iter().copied())));
    let others: Vec<_> = samples.iter().filter(|sample| !sample.is_good() && !sample.is_put_off()).collect();
    figures.want_none(
        "answers that are neither good nor say when to come back",
        others.len(),
        statuses(others.iter().copied()),
    );
    let put_off: Vec<_> = samples.iter().filter(|sample| sample.is_put_off()).collect();
    let half = percentile(put_off.iter().map(|sample| sample.took), 0.5);
    figures.note("median of being told to come back later", time(half));
    figures.want_at_most("p99 of being told to come back later", AT_ONCE, p99(put_off.iter().copied()));
    let late = put_off.iter().filter(|sample| sample.took > AT_ONCE).count();
    figures.note(
        "told so later than that, and slowest",
        format!("{late} of {}, {}", put_off.len(), time(slowest(put_off))),
    );
}

/// The memory of each of [`Role::ALL`], in bytes; 0 of one that is down.
fn memory(fleet: &Fleet) -> [u64; 6] {
    Role::ALL.map(|role| fleet.rss(role).unwrap_or_default())
}

/// The most memory that each has for a time.
async fn watch(fleet: &Fleet, lasts: Duration) -> [u64; 6] {
    let begun = Instant::now();
    let mut most = memory(fleet);
    while begun.elapsed() < lasts {
        sleep(INTERVAL).await;
        for (most, now) in most.iter_mut().zip(memory(fleet)) {
            *most = now.max(*most);
        }
    }
    most
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
