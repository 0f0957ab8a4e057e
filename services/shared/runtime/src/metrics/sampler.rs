//! Gauges that need the database.

use std::fmt::Display;

use ::metrics::{counter, describe_counter};
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::recorder::is_enabled;
use crate::timeouts;

pub(super) fn describe() {
    describe_counter!(
        "sampler_failures_total",
        "Samples that failed or took too long, by sampler. Its gauges keep their last values."
    );
}

/// Takes a sample at each interval until it is dropped, of `what`: `backlog`. Returns at once when nothing is measured.
///
/// Every replica samples, since any of them may be down: rules and dashboards use the maximum. A sample must be cheap however
/// large the tables are, and is dropped after [`timeouts::SAMPLE`].
pub async fn sample<E, S>(what: &'static str, take: impl Fn() -> S)
where
    E: Display,
    S: Future<Output = Result<(), E>>,
{
    if !is_enabled() {
        return;
    }
    let failures = counter!("sampler_failures_total", "sampler" => what);
    loop {
        match timeout(timeouts::SAMPLE, take()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                failures.increment(1);
                warn!(sampler = what, "sample failed: {error}");
            }
            Err(_) => {
                failures.increment(1);
                warn!(sampler = what, "sample timed out after {:?}", timeouts::SAMPLE);
            }
        }
        sleep(timeouts::SAMPLE_INTERVAL).await;
    }
}
