//! Metrics of the pools.

use std::{sync::Arc, time::Duration};

use ::metrics::{
    Counter, Histogram, SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use super::Shared;
use crate::metrics::on_scrape;

pub(crate) fn describe() {
    describe_gauge!(
        "db_pool_connections",
        "Connections of a pool: in use, which includes those that are being opened or checked, or idle."
    );
    describe_gauge!("db_pool_max", "Maximum number of connections of a pool.");
    describe_histogram!(
        "db_pool_acquire_seconds",
        Unit::Seconds,
        "Time until a caller had a connection, or an error, by pool."
    );
    describe_counter!("db_pool_timeouts_total", "Callers that got no connection in time, by pool.");
}

/// What happens in a pool. A pool has the application name of its connections; one without a name is not measured.
pub(super) struct PoolMetrics {
    acquire: Histogram,
    timeouts: Counter,
}

impl PoolMetrics {
    pub(super) fn new(pool: Option<&str>) -> Self {
        let Some(pool) = pool.map(ToOwned::to_owned) else {
            return Self { acquire: Histogram::noop(), timeouts: Counter::noop() };
        };
        Self {
            acquire: histogram!("db_pool_acquire_seconds", "pool" => pool.clone()),
            timeouts: counter!("db_pool_timeouts_total", "pool" => pool),
        }
    }

    pub(super) fn acquired<T>(&self, time: Duration, result: &sqlx::Result<T>) {
        self.acquire.record(time);
        if matches!(result, Err(sqlx::Error::PoolTimedOut)) {
            self.timeouts.increment(1);
        }
    }
}

/// Shows the connections of a pool at each scrape.
pub(super) fn show(pool: &Arc<Shared>) {
    let Some(name) = pool.options.get_application_name() else { return };
    let name = SharedString::from(name.to_owned());
    let max = gauge!("db_pool_max", "pool" => name.clone());
    let in_use = gauge!("db_pool_connections", "pool" => name.clone(), "state" => "in_use");
    let idle = gauge!("db_pool_connections", "pool" => name, "state" => "idle");
    on_scrape(pool, move |pool| {
        let free = u32::try_from(pool.permits.available_permits()).unwrap_or(u32::MAX);
        max.set(f64::from(pool.connections));
        in_use.set(f64::from(pool.connections.saturating_sub(free)));
        idle.set(f64::from(u32::try_from(pool.idle().len()).unwrap_or(u32::MAX)));
    });
}
