//! The load that a store can sustain.

use std::time::Duration;

use super::{crowd::Crowd, customer::Step, figures::rate, load::Pace, record::Sample};

/// How many customers are tried at once, each of whom asks again as soon as they are answered.
const CUSTOMERS: [usize; 6] = [4, 8, 16, 32, 64, 128];

/// The most that a store answered, and with how many customers.
pub(super) struct Peak {
    /// Good answers a second.
    pub(super) rate: f64,
    /// Of so many customers.
    pub(super) customers: usize,
    /// Those of each number of customers, for a person to read.
    pub(super) tried: String,
}

/// Finds it. Each number of customers is let loose for so long, of which the first fifth does not count.
///
/// # Errors
/// When a customer panicked.
pub(super) async fn find(crowd: &Crowd, step_lasts: Duration) -> anyhow::Result<Peak> {
    let mut peak = (0.0, 0);
    let mut tried = Vec::new();
    for customers in CUSTOMERS.into_iter().filter(|customers| *customers <= crowd.size()) {
        let good = of(crowd, customers, step_lasts).await?;
        if good > peak.0 {
            peak = (good, customers);
        }
        tried.push(format!("{customers}: {}", rate(good)));
    }
    Ok(Peak { rate: peak.0, customers: peak.1, tried: tried.join(", ") })
}

/// The good answers a second of so many customers, who are let loose for so long.
///
/// # Errors
/// When a customer panicked.
pub(super) async fn of(crowd: &Crowd, customers: usize, lasts: Duration) -> anyhow::Result<f64> {
    let load = crowd.load(0..customers, Step::SHOPPING, Pace::FlatOut);
    tokio::time::sleep(lasts).await;
    let record = load.end().await?;
    Ok(record.rate(&(lasts / 5..lasts), Sample::is_good))
}
