//! Failed and rate-limited logins, counted per account, client and hour. At the end of an hour each count becomes an audit event.
//!
//! An attacker cannot fill the table: a client has at most [`MAX_ACCOUNTS`] rows an hour, and a login that fails costs a
//! password hash. Logins of unknown accounts are counted together, and what was typed is not stored: it may be a password.

mod db;
mod rate_limited;

use std::{collections::BTreeMap, time::Duration};

use bodega_audit::{Actor, Event, Subject};
use bodega_runtime::{context::CallContext, database::Pool, timeouts, worker::Worker};
use serde_json::json;
use sqlx::{PgConnection, PgExecutor};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use self::db::NewCount;
pub(crate) use self::rate_limited::RateLimitedLogins;
use crate::AUDIT;

/// Failures at further accounts are counted together.
const MAX_ACCOUNTS: usize = 20;
/// Counts that are recorded in one transaction.
const BATCH_SIZE: i64 = 1_000;
/// Counts of a batch that become events of their own, the largest ones. The others are summed up.
const MAX_EVENTS: usize = 100;

const WORKER: Worker = Worker {
    name: "events of failed logins",
    interval: Duration::from_secs(600),
    idle_interval: Duration::from_secs(600),
    concurrency: 1,
    timeout: timeouts::WORK,
};

/// Counts a failed login of the client of the call being served; `account` is `None` for an unknown account.
pub(crate) async fn count(db: impl PgExecutor<'_>, account: Option<Uuid>) -> sqlx::Result<()> {
    let count = NewCount { client: client(), login: String::new(), account, failures: 1, rate_limited: 0 };
    db::add(db, [count]).await
}

/// Returns the network of the client of the call being served; empty if it is unknown.
fn client() -> String {
    CallContext::client_network().map(|network| network.to_string()).unwrap_or_default()
}

/// Deletes the counts of a user who is deleted.
pub(crate) async fn erase(db: &mut PgConnection, account: Uuid) -> sqlx::Result<()> {
    sqlx::query!("delete from identity.failed_logins where account = $1", account).execute(db).await?;
    Ok(())
}

/// Records the counts of past hours until the future is dropped.
pub(crate) async fn record_past_hours(db: Pool) {
    WORKER.repeat(async || record_failed_logins(&db).await).await;
}

struct Count {
    id: Uuid,
    hour: OffsetDateTime,
    client: String,
    /// `None` also if the user was deleted meanwhile.
    account: Option<Uuid>,
    failures: i32,
    rate_limited: i32,
}

/// Records failed logins of past hours in the audit log. Returns whether there may be more.
///
/// # Errors
/// When the database fails.
pub async fn record_failed_logins(db: &Pool) -> sqlx::Result<bool> {
    let mut transaction = db.begin().await?;
    let counts = take_past(&mut transaction).await?;
    let (events, others) = counts.split_at(counts.len().min(MAX_EVENTS));
    for count in events {
        let details = json!({
            "hour": hour_of(count), "failures": count.failures, "rateLimited": count.rate_limited,
        });
        let client = Some(count.client.clone()).filter(|client| !client.is_empty());
        let mut event = Event::new("login.failed", Actor::Anonymous)
            .with_id(count.id)
            .from_client(client)
            .details(details);
        if let Some(account) = count.account {
            event = event.on(Subject::user(account));
        }
        AUDIT.record(&mut transaction, event).await?;
    }
    let mut sums: BTreeMap<String, (i64, i64, u32)> = BTreeMap::new();
    for count in others {
        let (failures, rate_limited, counts) = sums.entry(hour_of(count)).or_default();
        *failures += i64::from(count.failures);
        *rate_limited += i64::from(count.rate_limited);
        *counts += 1;
    }
    for (hour, (failures, rate_limited, counts)) in sums {
        let details = json!({
            "hour": hour, "failures": failures, "rateLimited": rate_limited, "accountsAndClients": counts,
        });
        AUDIT.record(&mut transaction, Event::new("login.failed", Actor::Anonymous).details(details)).await?;
    }
    let is_full = i64::try_from(counts.len()) == Ok(BATCH_SIZE);
    transaction.commit().await?;
    Ok(is_full)
}

fn hour_of(count: &Count) -> String {
    count.hour.format(&Rfc3339).unwrap_or_default()
}

/// Deletes counts of past hours and returns them, the largest first.
async fn take_past(db: &mut PgConnection) -> sqlx::Result<Vec<Count>> {
    sqlx::query_as!(
        Count,
        r#"with taken as (
               delete from identity.failed_logins
               where id in (
                   select id from identity.failed_logins
                   where hour < date_trunc('hour', now(), 'UTC')
                   order by failures + rate_limited desc
                   limit $1
                   for update skip locked
               )
               returning id, hour, client, account, failures, rate_limited
           )
           select t.id as "id!", t.hour as "hour!", t.client as "client!", t.failures as "failures!",
                  t.rate_limited as "rate_limited!",
                  (select u.id from identity.users u where u.id = t.account and u.deleted_at is null) as account
           from taken t
           order by t.failures + t.rate_limited desc"#,
        BATCH_SIZE,
    )
    .fetch_all(db)
    .await
}
