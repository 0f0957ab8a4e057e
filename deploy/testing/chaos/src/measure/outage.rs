//! A database that does not answer for a while, in whatever way.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

use super::{
    crowd::Crowd,
    customer::Step,
    figures::{Figures, rate, time},
    load::Pace,
    pools,
    record::{IN_TIME, Record, Sample, slowest, statuses, statuses_by_step},
};
use crate::fleet::{Fleet, Role};

/// How much of the rate before must be there again.
const FULL: f64 = 0.9;
/// How soon after the database.
const RECOVERY: Duration = Duration::from_secs(5);
/// How long the load runs before anything is counted: connections are opened then.
const WARM_UP: Duration = Duration::from_secs(2);
/// How often each probe asks, in requests a second.
const PROBES: f64 = 4.0;

/// What an outage is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    /// How many shop.
    pub(crate) customers: usize,
    /// Requests that they send together in a second.
    pub(crate) rate: f64,
    /// How long the rate before it is measured.
    pub(crate) before: Duration,
    /// How long the database does not answer.
    pub(crate) lasts: Duration,
    /// How long the rate after it is measured; longer than the store may take to recover.
    pub(crate) after: Duration,
}

/// What was seen of an outage.
struct Seen {
    shop: Record,
    live: Record,
    ready: Record,
    /// When it began and ended, since the load began.
    began: Duration,
    ended: Duration,
}

/// Measures an outage: `begin` stops the database from answering, `end` lets it.
///
/// # Errors
/// When either fails, or the store refuses customers.
pub(super) async fn measure(
    fleet: &Fleet,
    outage: Outage,
    name: &str,
    begin: impl AsyncFnOnce() -> anyhow::Result<()>,
    end: impl AsyncFnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Figures> {
    let crowd = Crowd::gather(fleet, outage.customers).await?;
    let pools_before = pools::usable(fleet, &crowd).await?;
    let processes = || Role::PROCESSES.map(|role| fleet.pid(role));
    let processes_before = processes();

    let load = crowd.load(0..crowd.size(), Step::SHOPPING, Pace::PerSecond(outage.rate));
    let live = crowd.load(0..1, &[Step::Live], Pace::PerSecond(PROBES));
    let ready = crowd.load(0..1, &[Step::Ready], Pace::PerSecond(PROBES));
    sleep(WARM_UP + outage.before).await;
    let began = load.now();
    begin().await.context("the outage does not begin")?;
    sleep(outage.lasts).await;
    end().await.context("the outage does not end")?;
    let ended = load.now();
    sleep(outage.after).await;
    let (shop, live, ready) = (load.end().await?, live.end().await?, ready.end().await?);
    let seen = Seen { shop, live, ready, began, ended };

    let Outage { customers, rate, lasts, .. } = outage;
    let mut figures = Figures::new(format!(
        "{name} for {} s, while {customers} customers send {rate} requests a second.",
        lasts.as_secs()
    ));
    meanwhile(&mut figures, &seen);
    afterwards(&mut figures, &seen, outage);
    let restarted = Role::PROCESSES.iter().zip(processes_before.iter().zip(processes()));
    let restarted: Vec<_> = restarted
        .filter(|(_, (before, after))| **before != *after)
        .map(|(role, _)| role.to_string())
        .collect();
    figures.want_none("processes that were restarted", restarted.len(), restarted.join(", "));
    let pools_after = pools::usable(fleet, &crowd).await?;
    figures.want(
        "connections to the database that each service can use",
        format!("as before: {pools_before}"),
        pools_after.to_string(),
        pools_before == pools_after,
    );
    Ok(figures)
}

/// What was answered while the database did not.
fn meanwhile(figures: &mut Figures, seen: &Seen) {
    let outage = seen.began..seen.ended;
    let samples = seen.shop.sent_in(&outage);
    figures.note("answers meanwhile, by status", statuses(&samples));
    let wrong: Vec<_> =
        samples.iter().filter(|sample| !sample.is_success() && !is_unavailable(sample)).collect();
    figures.want_none(
        "answers meanwhile that are neither good nor 503 with `Retry-After`",
        wrong.len(),
        statuses(wrong.iter().copied()),
    );
    figures.want_at_most("slowest answer meanwhile", IN_TIME, slowest(&samples));

    let live = seen.live.sent_in(&outage);
    let dead = live.iter().filter(|sample| !sample.is_success());
    figures.want_none("`/healthz` meanwhile: answers other than 200", dead.clone().count(), statuses(dead));
    figures.note("`/healthz` meanwhile: slowest answer", time(slowest(&live)));
    let ready = seen.ready.sent_in(&outage);
    figures.note("`/readyz` meanwhile, by status", statuses(&ready));
    figures.want_at_most("`/readyz` meanwhile: slowest answer", IN_TIME, slowest(&ready));
}

/// How the store came back.
fn afterwards(figures: &mut Figures, seen: &Seen, outage: Outage) {
    let Seen { shop, ended, .. } = seen;
    let before = shop.rate(&(seen.began - outage.before..seen.began), Sample::is_success);
    figures.note("successes a second before", rate(before));
    let recovered = shop.recovered(*ended, before * FULL);
    figures.want(
        "time after its return until 90 % of that are back",
        format!("at most {}", time(Some(RECOVERY))),
        recovered.map_or("not seen".to_owned(), |it| time(Some(it))),
        recovered.is_some_and(|it| it <= RECOVERY),
    );
    let settled = *ended + RECOVERY..shop.lasted;
    if settled.start < settled.end {
        let after = shop.rate(&settled, Sample::is_success);
        figures.want(
            format!("successes a second from {} s after its return", RECOVERY.as_secs()),
            format!("at least {}", rate(before * FULL)),
            rate(after),
            after >= before * FULL,
        );
        let failed: Vec<_> = shop.sent_in(&settled);
        let failed = failed.iter().filter(|sample| !sample.is_good());
        figures.note("failures from then on", statuses_by_step(failed));
    }
}

/// Whether it says what it must of a database that is down.
fn is_unavailable(sample: &Sample) -> bool {
    sample.answer.status == Ok(503) && sample.is_put_off()
}
