//! Rate limits: how often a client or an account may do something, counted for all replicas of a service.
//!
//! [`limits`] lists all limits. A service takes a use of a limit before the work, and may restore it afterwards:
//!
//! ```ignore
//! let uses = [limits::LOGIN_CLIENT.by(network), limits::LOGIN.by(&login)];
//! self.rate_limiter.take(&uses).await?;
//! ```
//!
//! Uses are counted in the table `rate_limits` of the service's schema, one row per limit and subject, with the generic
//! cell rate algorithm. A row that is older than its limit's period is as good as none, and is deleted.

mod db;
mod error;
pub mod limits;
mod memory;

use std::{fmt::Display, sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use clap::ValueEnum;
use metrics::{counter, describe_counter};
use tracing::warn;

pub use self::error::{Error, Policy, RateLimited};
use self::{db::RateLimits as Table, memory::Memory};
use crate::{database::Pool, log_throttle::LogThrottle, timeouts, worker::Worker};

/// A limit: `burst` uses at once, and one more after each `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Name in responses, logs and metrics.
    pub name: &'static str,
    /// Uses that may follow one another without a pause.
    pub burst: u32,
    /// Time after which one use is restored.
    pub interval: Duration,
}

impl Limit {
    /// Returns a use of this limit by `subject`, such as an account or the network of a client.
    pub fn by(self, subject: impl Display) -> Use {
        let digest = digest(&SHA256, format!("{} {subject}", self.name).as_bytes());
        let mut key = Key::default();
        key.copy_from_slice(&digest.as_ref()[..size_of::<Key>()]);
        Use { limit: self, key }
    }

    /// Returns the time in which all uses are restored.
    pub fn period(self) -> Duration {
        self.interval * self.burst
    }

    /// Returns the maximum number of uses in any `time`.
    #[cfg(test)]
    fn max_uses(self, time: Duration) -> u64 {
        u64::from(self.burst) + time.as_secs() / self.interval.as_secs()
    }
}

/// Limit and subject as a hash, so that the table contains neither names nor addresses.
type Key = [u8; 16];

/// One use of a limit by a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    limit: Limit,
    key: Key,
}

/// Whether clients are limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RateLimits {
    /// Rate limits and limits of rows apply.
    #[default]
    On,
    /// Neither applies: for benchmarks and tests.
    Off,
}

impl RateLimits {
    /// Returns whether the limits apply.
    pub fn are_on(self) -> bool {
        self == Self::On
    }
}

/// Arguments of rate limits.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct RateLimitArgs {
    /// Rate limits, and limits of the rows that one account or client may create; `off` is for benchmarks and tests
    #[arg(long = "rate-limits", env = "BODEGA_RATE_LIMITS", value_enum, default_value = "on")]
    pub rate_limits: RateLimits,
}

/// Counts uses of limits in the schema of a service.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    limits: RateLimits,
    db: Pool,
    table: Table,
    memory: Arc<Memory>,
}

impl RateLimiter {
    /// Creates a limiter that counts in `schema.rate_limits`.
    pub fn new(db: Pool, schema: &'static str, limits: RateLimits) -> Self {
        describe_counter!("rate_limited_total", "Requests rejected by rate limits.");
        if !limits.are_on() {
            warn!(
                "{schema}: rate limits are off, passwords can be guessed without limit: BODEGA_RATE_LIMITS"
            );
        }
        Self { limits, db, table: Table { schema }, memory: Arc::default() }
    }

    /// Returns whether limits apply.
    pub fn limits(&self) -> RateLimits {
        self.limits
    }

    /// Takes a use of each limit, or of none if any of them is exhausted. One statement, and no write in the latter case.
    ///
    /// # Errors
    /// [`RateLimited`] for the limit that takes the longest to restore a use, and a failure of the database.
    pub async fn take(&self, uses: &[Use]) -> Result<(), Error> {
        if !self.limits.are_on() || uses.is_empty() {
            return Ok(());
        }
        match self.table.take(&self.db, uses).await? {
            Some(limited) => Err(rejected(limited)),
            None => Ok(()),
        }
    }

    /// Restores uses that were taken: what they limit did not happen.
    ///
    /// # Errors
    /// A failure of the database.
    pub async fn restore(&self, uses: &[Use]) -> sqlx::Result<()> {
        if !self.limits.are_on() || uses.is_empty() {
            return Ok(());
        }
        self.table.restore(&self.db, uses).await
    }

    /// Takes a use of a limit, mostly without a statement: each replica grants a quarter of the limit from memory, and all of
    /// them together three quarters in the database. So a subject that stays far below its limit costs no statement, and with
    /// four replicas it gets at most 1.75 times the limit. A rejection is remembered until a use is restored.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub async fn take_cheaply(&self, taken: Use) -> Result<(), Error> {
        if !self.limits.are_on() || self.memory.take(taken).map_err(rejected)? {
            return Ok(());
        }
        match self.table.take(&self.db, &[memory::shared_part(taken)]).await? {
            Some(limited) => {
                self.memory.reject(taken, limited.retry_after);
                Err(rejected(RateLimited { limit: taken.limit, ..limited }))
            }
            None => Ok(()),
        }
    }

    /// Deletes rows that no longer limit anything, until the future is dropped.
    pub async fn clean_up(self) {
        const WORKER: Worker = Worker {
            name: "cleanup of rate limits",
            interval: Duration::from_secs(10 * 60),
            idle_interval: Duration::from_secs(60 * 60),
            concurrency: 1,
            timeout: timeouts::WORK,
        };
        WORKER.repeat(|| self.table.delete_restored(&self.db)).await;
    }
}

/// Counts and logs a rejection.
fn rejected(limited: RateLimited) -> Error {
    static LOG: LogThrottle = LogThrottle::new(Duration::from_secs(10));
    counter!("rate_limited_total", "limit" => limited.limit.name).increment(1);
    if let Some(count) = LOG.count() {
        warn!(
            limit = limited.limit.name,
            "rate limit exceeded, {count} requests rejected since the last line"
        );
    }
    limited.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_depends_on_limit_and_subject() {
        let uses = [limits::LOGIN.by("a"), limits::LOGIN.by("b"), limits::LOGIN_CLIENT.by("a")];
        assert_ne!(uses[0].key, uses[1].key);
        assert_ne!(uses[0].key, uses[2].key);
        assert_eq!(uses[0], limits::LOGIN.by("a"));
    }
}
