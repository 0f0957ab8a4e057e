//! Figures: what single faults do to a store under a steady load, measured by a client.
//!
//! A [`crowd`] of [`customer`]s makes a [`load`], and each keeps a [`connection`]; what they were told is a [`record`],
//! and what was wanted beside what was seen are [`figures`]. The other modules are the experiments.

mod black_hole;
mod connection;
mod crowd;
mod customer;
mod figures;
mod frozen;
mod load;
mod outage;
mod overload;
mod peak;
mod pools;
mod record;
mod rolls;
mod slow_catalog;
mod store;

use std::time::Duration;

use anyhow::Context as _;

pub(crate) use self::figures::Figures;
use self::{outage::Outage, overload::Overload, rolls::Rolls, slow_catalog::Slowness};
use crate::fleet::{Fleet, FleetOptions};

/// Customers of a steady load.
const CUSTOMERS: usize = 64;
/// What they ask for together in a second: less than half of what two cores can do.
const RATE: f64 = 150.0;
/// The same in a short experiment, which also debug builds stand.
const SHORT_RATE: f64 = 40.0;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Experiment {
    /// A database that stands still
    Frozen,
    /// A database that never answers
    BlackHole,
    /// A catalog that is slow
    SlowCatalog,
    /// Processes replaced under load
    Rolls,
    /// More load than can be served
    Overload,
}

impl Experiment {
    /// Opens a store, and measures. A short experiment takes well under a minute, and its figures say less.
    ///
    /// # Errors
    /// When the store cannot be opened or broken, or refuses customers: then nothing is known.
    pub(crate) async fn run(self, short: bool) -> anyhow::Result<Figures> {
        let options =
            FleetOptions { standalone: false, durable: true, seed: 0, access_ttl: None, log_dir: None };
        let fleet = Fleet::start(options).await.context("cannot start the store")?;
        let pick = |long, brief| Duration::from_secs(if short { brief } else { long });
        let rate = if short { SHORT_RATE } else { RATE };
        let outage =
            |lasts| Outage { customers: CUSTOMERS, rate, before: pick(10, 5), lasts, after: pick(15, 8) };
        match self {
            Self::Frozen => frozen::run(&fleet, outage(pick(30, 5))).await,
            Self::BlackHole => black_hole::run(&fleet, outage(pick(60, 5))).await,
            Self::SlowCatalog => {
                let (delay, lasts) = (Duration::from_secs(10), pick(30, 8));
                slow_catalog::run(
                    &fleet,
                    Slowness { delay, customers: 2 * CUSTOMERS, rate: rate / 2.0, lasts },
                )
                .await
            }
            Self::Rolls => {
                let (rounds, pause) = (if short { 1 } else { 20 }, Duration::from_millis(500));
                rolls::run(&fleet, Rolls { customers: CUSTOMERS, rate, rounds, pause }).await
            }
            Self::Overload => {
                let customers = if short { 2 * CUSTOMERS } else { 1_000 };
                let (step_lasts, lasts) = (pick(5, 2), pick(60, 5));
                overload::run(&fleet, Overload { customers, step_lasts, times: 5.0, lasts }).await
            }
        }
    }
}
