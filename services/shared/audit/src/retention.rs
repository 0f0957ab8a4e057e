//! Deleting the oldest segments with their events.

use std::{str::FromStr, time::Duration};

use bodega_runtime::{database::Pool, timeouts, worker::Worker};
use serde_json::json;
use sqlx::{AssertSqlSafe, postgres::types::PgInterval};
use tracing::info;

use crate::{
    AuditLog,
    event::{Actor, Event},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The minimum that the migrations allow.
const MIN_DAYS: u32 = 30;
const MAX_DAYS: u32 = 36_500;

const WORKER: Worker = Worker {
    name: "audit retention",
    interval: Duration::from_secs(60 * 60),
    idle_interval: Duration::from_secs(60 * 60),
    concurrency: 1,
    timeout: timeouts::WORK,
};

/// Settings of the audit log.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct AuditArgs {
    /// Days after which audit events are deleted: at least 30, or `off`
    #[arg(long, env = "BODEGA_AUDIT_RETENTION", default_value = "365")]
    pub audit_retention: Retention,
}

/// For how long events are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// `None` keeps events without limit.
    days: Option<u32>,
}

impl Retention {
    pub(crate) fn duration(self) -> Option<Duration> {
        self.days.map(|days| DAY * days)
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: Some(365) }
    }
}

impl FromStr for Retention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self { days: None });
        }
        match text.parse() {
            Ok(days @ MIN_DAYS..=MAX_DAYS) => Ok(Self { days: Some(days) }),
            _ => Err(format!("must be a number of days between {MIN_DAYS} and {MAX_DAYS}, or `off`")),
        }
    }
}

/// Deletes expired segments until the future is dropped.
pub(crate) async fn delete_expired(log: AuditLog, db: Pool, retention: Duration) {
    WORKER.repeat(async || log.delete_expired(&db, retention).await).await;
}

impl AuditLog {
    /// Deletes up to 100 segments that are older than `retention`, which is at least 30 days, and records the last one: the
    /// chain begins after it. Returns whether there may be more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_expired(self, db: &Pool, retention: Duration) -> sqlx::Result<bool> {
        let retention = PgInterval::try_from(retention).map_err(sqlx::Error::Encode)?;
        let sql =
            format!("select number, encode(hash, 'hex') from {}.delete_audit_segments($1)", self.schema);
        let mut transaction = db.begin().await?;
        let deleted: (Option<i64>, Option<String>) =
            sqlx::query_as(AssertSqlSafe(sql)).bind(retention).fetch_one(&mut *transaction).await?;
        let (Some(segment), Some(hash)) = deleted else { return Ok(false) };
        let details = json!({ "segment": segment, "hash": hash });
        self.record(&mut transaction, Event::new("audit.expired", Actor::System).details(details)).await?;
        transaction.commit().await?;
        info!(
            audit.schema = self.schema,
            audit.segment = segment,
            "deleted audit segments that have expired"
        );
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_kept_for_at_least_30_days() {
        assert_eq!("30".parse::<Retention>().map(Retention::duration), Ok(Some(DAY * 30)));
        assert_eq!("off".parse::<Retention>().map(Retention::duration), Ok(None));
        for text in ["0", "29", "-1", "36501", "1y", ""] {
            assert!(text.parse::<Retention>().is_err(), "{text}");
        }
    }
}
