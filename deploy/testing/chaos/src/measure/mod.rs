//! Experiments: the effect of single faults on a store under load, as a client measures it.
//!
//! [`load`] generates and records the load, [`results`] compares observations with expectations. The other modules
//! are the experiments and what they share: [`peak`], [`pools`] and [`database`].

mod database;
mod load;
mod outage;
mod overload;
mod peak;
mod pools;
mod results;
mod rolling_restarts;
mod slow_catalog;

use std::time::Duration;

use anyhow::Context as _;

pub(crate) use self::results::Results;
use self::{
    outage::{DatabaseFault, Outage},
    overload::Overload,
    rolling_restarts::RollingRestarts,
    slow_catalog::SlowCatalog,
};
use crate::cluster::{Cluster, ClusterOptions};

/// Concurrent users of a steady load.
const USERS: usize = 64;
/// Their requests per second in total: less than half of what two cores can serve.
const RATE: f64 = 150.0;
/// The rate of a short experiment, which debug builds can serve as well.
const SHORT_RATE: f64 = 40.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Experiment {
    /// The database is stopped with SIGSTOP
    Frozen,
    /// The database accepts connections and never responds
    BlackHole,
    /// Requests to catalog are delayed
    SlowCatalog,
    /// Rolling restarts of every process under load
    Rolls,
    /// More load than the store can serve
    Overload,
}

impl Experiment {
    /// Starts a store and runs the experiment. A `short` one takes less than a minute, and its results are less reliable.
    ///
    /// # Errors
    /// The store cannot be started or broken, or rejects the users: there are no results then.
    pub(crate) async fn run(self, short: bool) -> anyhow::Result<Results> {
        let options = ClusterOptions {
            standalone: false,
            durable: true,
            seed: 0,
            access_ttl: None,
            log_dir: None,
            metrics: false,
            pgbouncer: None,
        };
        let cluster = Cluster::start(options).await.context("cannot start the store")?;
        let seconds = |long, brief| Duration::from_secs(if short { brief } else { long });
        let rate = if short { SHORT_RATE } else { RATE };
        let outage = |fault, duration| Outage {
            fault,
            users: USERS,
            rate,
            before: seconds(10, 5),
            duration,
            after: seconds(15, 8),
        };
        match self {
            Self::Frozen => outage::run(&cluster, outage(DatabaseFault::Frozen, seconds(30, 5))).await,
            Self::BlackHole => outage::run(&cluster, outage(DatabaseFault::Silent, seconds(60, 5))).await,
            Self::SlowCatalog => {
                let (delay, duration) = (Duration::from_secs(10), seconds(30, 8));
                let experiment = SlowCatalog { delay, users: 2 * USERS, rate: rate / 2.0, duration };
                slow_catalog::run(&cluster, experiment).await
            }
            Self::Rolls => {
                let (rounds, pause) = (if short { 1 } else { 20 }, Duration::from_millis(500));
                let experiment = RollingRestarts { users: USERS, rate, rounds, pause };
                rolling_restarts::run(&cluster, experiment).await
            }
            Self::Overload => {
                let users = if short { 2 * USERS } else { 1_000 };
                let (step, duration) = (seconds(5, 2), seconds(60, 5));
                overload::run(&cluster, Overload { users, step, factor: 5.0, duration }).await
            }
        }
    }
}
