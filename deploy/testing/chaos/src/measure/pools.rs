//! How many connections to the database a service can use.

use std::{collections::BTreeMap, fmt, time::Duration};

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use super::{crowd::Crowd, customer::Step, load::Pace, store};
use crate::fleet::Fleet;

/// Requests to each service at once: more than it has connections.
const AT_ONCE: usize = 32;
/// How long it is looked: until no service has used more connections than before for so long. Services have to open
/// them first. Statements are given up meanwhile, and others take their place.
const STILL: Duration = Duration::from_secs(3);
/// How long it is looked at most.
const LOOK: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(20);
/// How long each service is read from before: it first has to ask identity for the keys that tokens are signed with, and
/// identity is among those that are held up.
const WARM_UP: Duration = Duration::from_secs(1);
/// A read of each service.
const READS: [&[Step]; 4] = [&[Step::Profile], &[Step::Products], &[Step::Cart], &[Step::Orders]];

/// How many connections each service uses at most, by its name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pools(BTreeMap<String, i64>);

impl fmt::Display for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pools: Vec<_> = self
            .0
            .iter()
            .map(|(name, most)| format!("{} {most}", name.trim_start_matches("bodega-")))
            .collect();
        f.write_str(&pools.join(", "))
    }
}

/// Finds it out: all that a service could read is locked, more is asked of it than it has connections, and those that
/// wait for the lock are counted. A permit that leaked is a connection that never does.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn usable(fleet: &Fleet, crowd: &Crowd) -> anyhow::Result<Pools> {
    let reads = || READS.map(|read| crowd.load(0..AT_ONCE, read, Pace::FlatOut));
    let loads = reads();
    sleep(WARM_UP).await;
    for load in loads {
        load.end().await?;
    }
    let mut lock = store::connect(&fleet.database_url()).await?;
    let mut look = store::connect(&fleet.database_url()).await?;
    store::hold_up(&mut lock).await.context("the tables cannot be locked")?;
    let loads = reads();
    let begun = Instant::now();
    let mut grown = begun;
    let mut pools = Pools::default();
    while begun.elapsed() < LOOK && grown.elapsed() < STILL {
        for (name, waiting) in store::held_up(&mut look).await? {
            let most = pools.0.entry(name).or_default();
            if waiting > *most {
                *most = waiting;
                grown = Instant::now();
            }
        }
        sleep(INTERVAL).await;
    }
    store::let_go(&mut lock).await?;
    for load in loads {
        load.end().await?;
    }
    Ok(pools)
}
