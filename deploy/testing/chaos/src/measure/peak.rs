//! The load that a store can sustain.

use std::time::Duration;

use super::{
    load::{Operation, Pace, Sample, Users},
    results::format_rate,
};

/// Numbers of concurrent users to try.
const USERS: [usize; 6] = [4, 8, 16, 32, 64, 128];

/// The highest rate of good responses, and the number of users that reached it.
pub(super) struct Peak {
    pub(super) rate: f64,
    pub(super) users: usize,
    /// The rate for each number of users, formatted.
    pub(super) tried: String,
}

/// Finds the peak, with `step` for each number of users.
pub(super) async fn find(users: &Users, step: Duration) -> anyhow::Result<Peak> {
    let mut peak = (0.0, 0);
    let mut tried = Vec::new();
    for count in USERS.into_iter().filter(|count| *count <= users.len()) {
        let rate = measure(users, count, step).await?;
        if rate > peak.0 {
            peak = (rate, count);
        }
        tried.push(format!("{count}: {}", format_rate(rate)));
    }
    Ok(Peak { rate: peak.0, users: peak.1, tried: tried.join(", ") })
}

/// Returns the good responses per second to `count` users without pauses. The first fifth of the time does not count.
pub(super) async fn measure(users: &Users, count: usize, duration: Duration) -> anyhow::Result<f64> {
    let load = users.start(0..count, Operation::SHOPPING, Pace::Unlimited);
    tokio::time::sleep(duration).await;
    let recording = load.stop().await?;
    Ok(recording.rate(&(duration / 5..duration), Sample::is_good))
}
