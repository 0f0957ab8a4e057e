//! Repairs of violations that [`super::checks`] finds, where a repair is safe.
//!
//! A repair is safe if it does what the services would have done themselves: it returns stock, removes ordered items from
//! carts, and reschedules abandoned work. Each repair is a query in `sql/` that checks the rows again under the locks
//! of the services, in their order, and returns a line for each repaired row. It skips rows that are younger than a minute
//! or in progress, so it is safe on a running store, and repeating it changes nothing.
//!
//! Anything ambiguous is not repaired: the checks that follow report it.

use std::time::Duration;

use anyhow::Context as _;
use bodega_runtime::database::{Pool, retry_on_conflict};
use tokio::time::{Instant, sleep};

use super::{Report, separate};
use crate::{database, provision::Logins};

/// Time for the order service, if it runs, to process the rescheduled work.
const RESCHEDULED_WORK_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval between checks during this time.
const INTERVAL: Duration = Duration::from_millis(500);

/// Longer than any running process holds a lock.
const LOCK_TIMEOUT: (&str, &str) = ("lock_timeout", "10s");

/// Repairs that are one statement: the subject, the statement, and whether it reschedules work for the order service.
const STATEMENTS: [(&str, &str, bool); 6] = [
    ("stock of ended orders", include_str!("sql/release_stock.sql"), false),
    ("deliveries", include_str!("sql/retry_deliveries.sql"), true),
    ("provider events", include_str!("sql/retry_events.sql"), true),
    ("payment polls", include_str!("sql/poll_payments.sql"), true),
    ("refunds", include_str!("sql/poll_refunds.sql"), true),
    ("checkouts", include_str!("sql/resume_checkouts.sql"), true),
];

/// The result of a repair.
pub struct Repaired {
    /// A line for each repaired row.
    pub done: Vec<String>,
    /// The checks after the repair.
    pub report: Report,
}

/// Repairs what is safe, waits until the order service has processed the rescheduled work, and runs the checks.
///
/// # Errors
/// When the schemas are in several databases, the database cannot be reached or is not migrated, and when a row stays locked. Completed repairs are kept.
pub async fn run(owners: &Logins) -> anyhow::Result<Repaired> {
    separate::ensure_one_database(owners)?;
    let db = database::connect(&owners.order.clone().options([LOCK_TIMEOUT])).await?;
    let repaired = repair(&db).await;
    db.close().await;
    let (done, is_rescheduled) = repaired?;
    let started = Instant::now();
    loop {
        let report = super::run(owners).await?;
        if report.is_clean() || !is_rescheduled || started.elapsed() > RESCHEDULED_WORK_TIMEOUT {
            return Ok(Repaired { done, report });
        }
        sleep(INTERVAL).await;
    }
}

/// Returns a line for each repaired row, and whether the order service has work to complete.
async fn repair(db: &Pool) -> anyhow::Result<(Vec<String>, bool)> {
    let mut done = Vec::new();
    let mut is_rescheduled = false;
    for (subject, sql, needs_order_service) in STATEMENTS {
        let repaired = in_batches(async || sqlx::query_scalar(sql).fetch_all(db).await);
        let repaired = repaired.await.with_context(|| format!("cannot repair {subject}"))?;
        is_rescheduled |= needs_order_service && !repaired.is_empty();
        done.extend(repaired);
    }
    done.extend(in_batches(async || clear_carts(db).await).await.context("cannot repair carts")?);
    Ok((done, is_rescheduled))
}

/// Repeats a repair of a limited number of rows until it finds none, so that no lock is held for long.
async fn in_batches(repair: impl AsyncFn() -> sqlx::Result<Vec<String>>) -> sqlx::Result<Vec<String>> {
    let mut done = Vec::new();
    loop {
        let repaired = retry_on_conflict(|| repair()).await?;
        if repaired.is_empty() {
            return Ok(done);
        }
        done.extend(repaired);
    }
}

/// Removes ordered items from carts that were never cleared. The second statement sees the carts as they are after the
/// first one locked them.
async fn clear_carts(db: &Pool) -> sqlx::Result<Vec<String>> {
    let mut transaction = db.begin().await?;
    let order_ids: Vec<String> =
        sqlx::query_scalar(include_str!("sql/record_checkouts.sql")).fetch_all(&mut *transaction).await?;
    let done = sqlx::query_scalar(include_str!("sql/clear_carts.sql"))
        .bind(&order_ids)
        .fetch_all(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(done)
}
