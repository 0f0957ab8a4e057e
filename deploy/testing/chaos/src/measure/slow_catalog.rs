//! A slow catalog: routes that need it fail in time, and the others are not affected.

use std::{ops::Range, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    database,
    load::{Operation, Pace, Recording, Sample, TIMELY, Users, p99, slowest, statuses},
    results::{Results, format_duration},
};
use crate::{
    cluster::{Cluster, Role},
    proxy::Mode,
};

/// Operations that call catalog, from the gateway, cart or order. A cart is shown with current prices.
const DEPENDENT: &[Operation] = &[
    Operation::Products,
    Operation::Product,
    Operation::AddToCart,
    Operation::Cart,
    Operation::SetQuantity,
    Operation::PlaceOrder,
];
const INDEPENDENT: &[Operation] =
    &[Operation::Orders, Operation::Profile, Operation::Orders, Operation::Profile, Operation::Login];
/// How much slower the independent routes may become.
const SLOWDOWN_LIMIT: u32 = 2;
/// How long a query may run after its caller has given up.
const QUERY_LIMIT: Duration = Duration::from_secs(3);
/// The loads open their connections before anything is counted.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long users send requests whose queries are blocked.
const BLOCKED_FOR: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug)]
pub(crate) struct SlowCatalog {
    pub(crate) delay: Duration,
    /// Half of them use the routes that need catalog.
    pub(crate) users: usize,
    /// Requests per second of each half.
    pub(crate) rate: f64,
    /// How long the independent routes are measured before, and all routes during the delay.
    pub(crate) duration: Duration,
}

pub(crate) async fn run(cluster: &Cluster, experiment: SlowCatalog) -> anyhow::Result<Results> {
    let SlowCatalog { delay, users, rate, duration } = experiment;
    let all = Users::register(cluster, users).await?;
    let half = users / 2;
    let dependent = all.start(0..half, DEPENDENT, Pace::PerSecond(rate));
    let independent = all.start(half..users, INDEPENDENT, Pace::PerSecond(rate));
    sleep(WARM_UP + duration).await;
    cluster.proxy(Role::Catalog).set_mode(Mode::Delay(delay));
    let delayed_from = independent.elapsed();
    sleep(duration).await;
    let (dependent, independent) = (dependent.stop().await?, independent.stop().await?);
    sleep(QUERY_LIMIT).await;
    let mut db = database::connect(&cluster.database_url()).await?;
    let running = database::count_queries_running_for(&mut db, QUERY_LIMIT).await?;
    cluster.proxy(Role::Catalog).set_mode(Mode::Forward);

    let mut results = Results::new(format!(
        "Requests to catalog arrive {} s late while {half} users send {rate} requests per second to routes that need it, and \
         as many users as many requests to routes that do not.",
        delay.as_secs()
    ));
    add_dependent_results(&mut results, &dependent, delayed_from);
    add_independent_results(&mut results, &independent, &(WARM_UP..delayed_from));
    results.expect_none(
        "queries that still run 3 s after the last response to such a route",
        usize::try_from(running)?,
        running.to_string(),
    );
    // By then the delayed requests have been processed.
    sleep(QUERY_LIMIT).await;
    let longest = longest_abandoned_query(cluster, &all).await?;
    results.expect_at_most(
        "time that a blocked query runs after its caller has given up",
        QUERY_LIMIT,
        Some(longest),
    );
    Ok(results)
}

fn add_dependent_results(results: &mut Results, dependent: &Recording, delayed_from: Duration) {
    let samples = dependent.sent_in(&(delayed_from..dependent.duration));
    results.note("routes that need catalog: responses by status", statuses(&samples));
    let unexpected: Vec<_> =
        samples.iter().filter(|sample| !sample.is_good() && !sample.is_rejected_with_retry_after()).collect();
    results.expect_none(
        "routes that need catalog: responses that are neither good nor rejections with `Retry-After`",
        unexpected.len(),
        statuses(unexpected.iter().copied()),
    );
    results.expect_at_most("routes that need catalog: slowest response", TIMELY, slowest(&samples));
}

fn add_independent_results(results: &mut Results, independent: &Recording, before: &Range<Duration>) {
    let during = independent.sent_in(&(before.end..independent.duration));
    let before = independent.sent_in(before);
    let failed: Vec<_> = during.iter().filter(|sample| !sample.is_success()).collect();
    results.expect_none(
        "other routes: responses other than 2xx",
        failed.len(),
        statuses(failed.iter().copied()),
    );
    for operation in [Operation::Orders, Operation::Profile, Operation::Login] {
        let p99_of = |samples: &[Sample]| p99(samples.iter().filter(|sample| sample.operation == operation));
        let (before, during) = (p99_of(&before), p99_of(&during));
        results.expect(
            format!("`{operation}`: p99"),
            format!("at most twice {}", format_duration(before)),
            format_duration(during),
            before.zip(during).is_some_and(|(before, during)| during <= before * SLOWDOWN_LIMIT),
        );
    }
}

/// Blocks queries with a lock, and returns how long the last of them runs after its caller has received a response.
async fn longest_abandoned_query(cluster: &Cluster, users: &Users) -> anyhow::Result<Duration> {
    let mut lock = database::connect(&cluster.database_url()).await?;
    let mut observer = database::connect(&cluster.database_url()).await?;
    database::lock_tables(&mut lock).await?;
    let load = users.start(0..users.len(), Operation::SHOPPING, Pace::Unlimited);
    sleep(BLOCKED_FOR).await;
    load.stop().await?;
    let stopped = Instant::now();
    let mut longest = Duration::ZERO;
    while stopped.elapsed() < QUERY_LIMIT * 2 {
        let elapsed = stopped.elapsed();
        // Younger queries belong to the services' background workers.
        if database::count_queries_running_for(&mut observer, elapsed).await? > 0 {
            longest = elapsed;
        }
        sleep(INTERVAL).await;
    }
    database::unlock_tables(&mut lock).await?;
    Ok(longest)
}
