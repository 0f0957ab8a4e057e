//! Mending what is safe to mend, where [`super::checks`] finds it broken.
//!
//! Safe is what the services would have done themselves, and would do to no other end if they did it now: stock goes back,
//! what was ordered leaves its cart, and what somebody was to see to is due again. Each repair is a query in `sql/` that
//! looks again under the locks that the services take, in their order, and answers with a line for each row it mended. It
//! passes over what is younger than a minute or in somebody's hands; so it may run on a store that is open, and
//! running it again does nothing more.
//!
//! All else is left to a person: the verification that follows names it.

use std::time::Duration;

use anyhow::Context as _;
use bodega_runtime::database::retry_on_conflict;
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::time::{Instant, sleep};

use super::Report;
use crate::database;

/// How long the order service has for what was handed to it, if it is there: what is stuck is resolved within this time of
/// its services being up.
const HANDED_OVER: Duration = Duration::from_secs(10);
/// How often to look whether it has done it.
const INTERVAL: Duration = Duration::from_millis(500);

/// Nobody holds a lock for so long whose process is alive.
const LOCK_TIMEOUT: (&str, &str) = ("lock_timeout", "10s");

/// Repairs of one statement, each: what it mends, and whether the order service has the rest to do.
const STATEMENTS: [(&str, &str, bool); 5] = [
    ("stock of orders that are over", include_str!("sql/release_stock.sql"), false),
    ("messages to neighbours", include_str!("sql/deliver_messages.sql"), true),
    ("events of providers", include_str!("sql/apply_events.sql"), true),
    ("payments that nobody looks at", include_str!("sql/look_at_payments.sql"), true),
    ("attempts to order", include_str!("sql/drive_orders.sql"), true),
];

/// What was mended, and how things stand since.
pub struct Repaired {
    /// What was done, a line for each row.
    pub done: Vec<String>,
    /// What a verification has found after it.
    pub report: Report,
}

/// Mends what is safe, and verifies then; where the order service has to do the rest, once it has or its time is over.
///
/// # Errors
/// When the database cannot be reached or is not migrated, and when somebody keeps what is to be mended locked. What was
/// mended until then stays so.
pub async fn run(owner: &PgConnectOptions) -> anyhow::Result<Repaired> {
    let db = database::connect(&owner.clone().options([LOCK_TIMEOUT])).await?;
    let repaired = repair(&db).await;
    db.close().await;
    let (done, handed_over) = repaired?;
    let begun = Instant::now();
    loop {
        let report = super::run(owner).await?;
        if report.is_clean() || !handed_over || begun.elapsed() > HANDED_OVER {
            return Ok(Repaired { done, report });
        }
        sleep(INTERVAL).await;
    }
}

/// What was mended, and whether the order service has the rest to do.
async fn repair(db: &PgPool) -> anyhow::Result<(Vec<String>, bool)> {
    let mut done = Vec::new();
    let mut handed_over = false;
    for (what, sql, by_the_service) in STATEMENTS {
        let mended = in_batches(async || sqlx::query_scalar(sql).fetch_all(db).await);
        let mended = mended.await.with_context(|| format!("cannot mend {what}"))?;
        handed_over |= by_the_service && !mended.is_empty();
        done.extend(mended);
    }
    done.extend(in_batches(async || clear_carts(db).await).await.context("cannot mend carts")?);
    Ok((done, handed_over))
}

/// Repeats a repair, which mends some rows at a time, until it finds none: no lock is held for long.
async fn in_batches(repair: impl AsyncFn() -> sqlx::Result<Vec<String>>) -> sqlx::Result<Vec<String>> {
    let mut done = Vec::new();
    loop {
        let mended = retry_on_conflict(|| repair()).await?;
        if mended.is_empty() {
            return Ok(done);
        }
        done.extend(mended);
    }
}

/// Takes what was ordered out of carts that were never told. Two statements: the second sees the carts as they are once
/// they are locked.
async fn clear_carts(db: &PgPool) -> sqlx::Result<Vec<String>> {
    let mut transaction = db.begin().await?;
    let order_ids: Vec<String> =
        sqlx::query_scalar(include_str!("sql/note_checkouts.sql")).fetch_all(&mut *transaction).await?;
    let done = sqlx::query_scalar(include_str!("sql/clear_carts.sql"))
        .bind(&order_ids)
        .fetch_all(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(done)
}
