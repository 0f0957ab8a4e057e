//! A catalog whose answers come late: those who need it are told so in time, and nobody else notices.

use std::{ops::Range, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    crowd::Crowd,
    customer::Step,
    figures::{Figures, time},
    load::Pace,
    record::{IN_TIME, Record, Sample, p99, slowest, statuses},
    store,
};
use crate::{
    fleet::{Fleet, Role},
    proxy::Mode,
};

/// What the catalog is asked for, by the gateway, by cart and by order. A cart is shown with what its lines cost now.
const CALLERS: &[Step] = &[Step::Products, Step::Product, Step::Add, Step::Cart, Step::Change, Step::Order];
/// What it is not asked for.
const OTHERS: &[Step] = &[Step::Orders, Step::Profile, Step::Orders, Step::Profile, Step::Login];
/// How much slower others may be.
const SLOWER: u32 = 2;
/// How long a query may run on after its caller has gone.
const LINGER: Duration = Duration::from_secs(3);
/// How long the loads run before anything is counted: connections are opened then.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long callers of queries that are held up are let loose.
const HOLD_UP: Duration = Duration::from_secs(1);
/// How often it is looked for queries.
const INTERVAL: Duration = Duration::from_millis(50);

/// What the catalog's slowness is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slowness {
    /// By how much its answers are late.
    pub(crate) delay: Duration,
    /// How many shop: half of them need the catalog.
    pub(crate) customers: usize,
    /// Requests that each half sends in a second.
    pub(crate) rate: f64,
    /// How long others are measured before, and how long everything is while it is slow.
    pub(crate) lasts: Duration,
}

/// Measures what becomes of the routes that need the catalog, of the others, and of queries whose callers have left.
///
/// # Errors
/// When the store refuses customers, or the database does not answer.
pub(crate) async fn run(fleet: &Fleet, slowness: Slowness) -> anyhow::Result<Figures> {
    let Slowness { delay, customers, rate, lasts } = slowness;
    let crowd = Crowd::gather(fleet, customers).await?;
    let half = customers / 2;
    let pace = Pace::PerSecond(rate);
    let callers = crowd.load(0..half, CALLERS, pace);
    let others = crowd.load(half..customers, OTHERS, pace);
    sleep(WARM_UP + lasts).await;
    fleet.proxy(Role::Catalog).set(Mode::Delay(delay));
    let slow = others.now();
    sleep(lasts).await;
    let (callers, others) = (callers.end().await?, others.end().await?);
    sleep(LINGER).await;
    let mut database = store::connect(&fleet.database_url()).await?;
    let left = store::count_running(&mut database, LINGER).await?;
    fleet.proxy(Role::Catalog).set(Mode::Pass);

    let mut figures = Figures::new(format!(
        "What is asked of the catalog arrives {} s late, while {half} customers send {rate} requests a second to routes \
         that need it, and as many to routes that do not.",
        delay.as_secs()
    ));
    meanwhile(&mut figures, &callers, slow);
    beside(&mut figures, &others, &(WARM_UP..slow));
    figures.want_none(
        "queries of theirs that run 3 s after the last of them was answered",
        usize::try_from(left)?,
        left.to_string(),
    );
    // What was late is over by then.
    sleep(LINGER).await;
    let lingered = lingering(fleet, &crowd).await?;
    figures.want_at_most(
        "time that queries which are held up run on after their callers",
        LINGER,
        Some(lingered),
    );
    Ok(figures)
}

/// What those were answered who need the catalog.
fn meanwhile(figures: &mut Figures, callers: &Record, slow: Duration) {
    let samples = callers.sent_in(&(slow..callers.lasted));
    figures.note("answers of routes that need it, by status", statuses(&samples));
    let wrong: Vec<_> = samples.iter().filter(|sample| !sample.is_good() && !sample.is_put_off()).collect();
    figures.want_none(
        "answers of theirs that are neither good nor say when to come back",
        wrong.len(),
        statuses(wrong.iter().copied()),
    );
    figures.want_at_most("slowest answer of theirs", IN_TIME, slowest(&samples));
}

/// How others fared, each route for itself.
fn beside(figures: &mut Figures, others: &Record, before: &Range<Duration>) {
    let slow = others.sent_in(&(before.end..others.lasted));
    let before = others.sent_in(before);
    let failed = slow.iter().filter(|sample| !sample.is_success());
    figures.want_none("other routes: answers other than 2xx", failed.clone().count(), statuses(failed));
    for step in [Step::Orders, Step::Profile, Step::Login] {
        let p99_of = |samples: &[Sample]| p99(samples.iter().filter(|sample| sample.step == step));
        let (before, slow) = (p99_of(&before), p99_of(&slow));
        figures.want(
            format!("`{step}`: p99"),
            format!("at most twice {}", time(before)),
            time(slow),
            before.zip(slow).is_some_and(|(before, slow)| slow <= before * SLOWER),
        );
    }
}

/// How long queries that wait for a lock run on once those have their answer for whom they run.
async fn lingering(fleet: &Fleet, crowd: &Crowd) -> anyhow::Result<Duration> {
    let mut lock = store::connect(&fleet.database_url()).await?;
    let mut look = store::connect(&fleet.database_url()).await?;
    store::hold_up(&mut lock).await?;
    let callers = crowd.load(0..crowd.size(), Step::SHOPPING, Pace::FlatOut);
    sleep(HOLD_UP).await;
    callers.end().await?;
    let gone = Instant::now();
    let mut last = Duration::ZERO;
    while gone.elapsed() < LINGER * 2 {
        let elapsed = gone.elapsed();
        // Those that began since are the services' own.
        if store::count_running(&mut look, elapsed).await? > 0 {
            last = elapsed;
        }
        sleep(INTERVAL).await;
    }
    store::let_go(&mut lock).await?;
    Ok(last)
}
