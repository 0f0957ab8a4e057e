//! The number of database connections that each service can use.

use std::{collections::BTreeMap, fmt, time::Duration};

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use super::{
    database,
    load::{Operation, Pace, Users},
};
use crate::cluster::Cluster;

/// Concurrent requests to each service: more than it has connections.
const CONCURRENCY: usize = 32;
/// The count is final once no service has used more connections for this long: services open them first, and
/// statements time out and are followed by others meanwhile.
const STABLE_FOR: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(20);
/// Before the lock each service must fetch the token keys from identity, which is blocked by the lock as well.
const WARM_UP: Duration = Duration::from_secs(1);
/// A read of each service.
const READS: [&[Operation]; 4] =
    [&[Operation::Profile], &[Operation::Products], &[Operation::Cart], &[Operation::Orders]];

/// The highest number of connections used by each service, by application name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pools(BTreeMap<String, i64>);

impl fmt::Display for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = |name: &str| name.trim_start_matches("bodega-").to_owned();
        let pools: Vec<_> = self.0.iter().map(|(name, used)| format!("{} {used}", service(name))).collect();
        f.write_str(&pools.join(", "))
    }
}

/// Locks all tables that the services read, sends each service more requests than it has connections, and counts the
/// connections that wait for the lock. A leaked permit shows as a connection that never waits.
pub(super) async fn count_usable(cluster: &Cluster, users: &Users) -> anyhow::Result<Pools> {
    let start_reads = || READS.map(|read| users.start(0..CONCURRENCY, read, Pace::Unlimited));
    let loads = start_reads();
    sleep(WARM_UP).await;
    for load in loads {
        load.stop().await?;
    }
    let mut lock = database::connect(&cluster.database_url()).await?;
    let mut observer = database::connect(&cluster.database_url()).await?;
    database::lock_tables(&mut lock).await.context("cannot lock the tables")?;
    let loads = start_reads();
    let started = Instant::now();
    let mut last_change = started;
    let mut pools = Pools::default();
    while started.elapsed() < TIMEOUT && last_change.elapsed() < STABLE_FOR {
        for (name, waiting) in database::waiting_for_locks(&mut observer).await? {
            let used = pools.0.entry(name).or_default();
            if waiting > *used {
                *used = waiting;
                last_change = Instant::now();
            }
        }
        sleep(INTERVAL).await;
    }
    database::unlock_tables(&mut lock).await?;
    for load in loads {
        load.stop().await?;
    }
    Ok(pools)
}
