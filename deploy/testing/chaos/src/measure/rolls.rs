//! Every process is replaced under load, again and again, and nobody is to notice.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

use super::{
    crowd::Crowd,
    customer::Step,
    figures::{Figures, time},
    load::Pace,
    record::{Record, p99, slowest, statuses, statuses_by_step},
};
use crate::fleet::{Fleet, Role};

/// What rolling is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rolls {
    /// How many shop.
    pub(crate) customers: usize,
    /// Requests that they send together in a second.
    pub(crate) rate: f64,
    /// How often each process is replaced.
    pub(crate) rounds: u32,
    /// The peace before each roll, and after the last.
    pub(crate) pause: Duration,
}

/// Measures what a client notices who tries once more when it is not let in.
///
/// # Errors
/// When a process cannot be replaced, or the store refuses customers.
pub(crate) async fn run(fleet: &Fleet, rolls: Rolls) -> anyhow::Result<Figures> {
    let Rolls { customers, rate, rounds, pause } = rolls;
    let crowd = Crowd::gather(fleet, customers).await?;
    let load = crowd.load(0..crowd.size(), Step::SHOPPING, Pace::PerSecond(rate));
    let mut rolled = Vec::new();
    for round in 0..rounds {
        for role in Role::PROCESSES {
            sleep(pause).await;
            let begun = load.now();
            fleet.roll(role).await.with_context(|| format!("roll {round} of {role}"))?;
            rolled.push((role, begun..load.now()));
        }
    }
    sleep(pause).await;
    let record = load.end().await?;

    let mut figures = Figures::new(format!(
        "Each of the five processes is replaced {rounds} times, while {customers} customers send {rate} requests a \
         second, and once more when a connection is refused or, where a request may be repeated, closed before it is \
         answered."
    ));
    tell(&mut figures, &record);
    for role in Role::PROCESSES {
        let rolls = rolled.iter().filter(|(rolled, _)| *rolled == role).map(|(_, time)| time);
        let slowest = rolls.clone().map(|time| time.end - time.start).max();
        let failed: Vec<_> = rolls.flat_map(|time| record.sent_in(time)).collect();
        let failed: Vec<_> = failed.iter().filter(|sample| !sample.is_success()).collect();
        figures.note(
            format!("{role}: slowest roll, from the start of the new one until the one before has left"),
            format!("{}; failed meanwhile: {}", time(slowest), statuses(failed)),
        );
    }
    Ok(figures)
}

fn tell(figures: &mut Figures, record: &Record) {
    let samples = &record.samples;
    figures.note("requests", samples.len().to_string());
    let retried = samples.iter().filter(|sample| sample.answer.retried);
    figures.note("more that were due while every customer waited", record.unsent.to_string());
    figures.note("of them sent twice", retried.count().to_string());
    let failed: Vec<_> = samples.iter().filter(|sample| !sample.is_success()).collect();
    figures.want_none("failed requests", failed.len(), statuses_by_step(failed.iter().copied()));
    figures.note("p99", time(p99(samples)));
    figures.note("slowest answer", time(slowest(samples)));
}
