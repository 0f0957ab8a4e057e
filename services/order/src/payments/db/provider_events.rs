//! SQL of provider events.

use std::time::Duration;

use bodega_runtime::{
    database::Pool,
    telemetry,
    timeouts::{INLINE_GRACE, WORK_LEASE},
};
use sqlx::{PgConnection, types::Json};

use crate::{
    backoff::CLAIM_LIMIT,
    payments::{
        order_payments::SnapshotOutcome,
        provider::{Event, IntentSnapshot},
    },
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventKey {
    pub provider: String,
    /// The provider's id of the event.
    pub id: String,
}

/// An event that has not been applied.
pub(crate) struct PendingEvent {
    pub key: EventKey,
    /// Number of times that the worker has claimed it.
    pub attempts: i32,
    /// The trace of the webhook request.
    pub traceparent: Option<String>,
}

/// An event that is locked until the transaction ends.
pub(crate) struct LockedEvent {
    pub kind: String,
    pub own_account: bool,
    pub snapshot: Json<IntentSnapshot>,
}

/// Stores an event that is to be applied. Returns false if it is stored already.
pub(crate) async fn insert(
    db: &Pool,
    key: &EventKey,
    event: &Event,
    snapshot: &IntentSnapshot,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into orders.provider_events (provider, id, kind, own_account, intent_snapshot, next_attempt_at, traceparent)
         values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6), $7)
         on conflict on constraint one_event_per_provider_id do nothing",
        key.provider,
        key.id,
        event.kind,
        event.own_account,
        Json(snapshot) as _,
        INLINE_GRACE.as_secs_f64(),
        telemetry::traceparent(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Claims events that are due, the oldest first.
pub(crate) async fn claim(db: &Pool) -> sqlx::Result<Vec<PendingEvent>> {
    let rows = sqlx::query!(
        "with due as (
             select provider, id from orders.provider_events
             where next_attempt_at <= now()
             order by next_attempt_at limit $1
             for update skip locked
         )
         update orders.provider_events e
         set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
         from due where e.provider = due.provider and e.id = due.id
         returning e.provider, e.id, e.attempts, e.traceparent",
        CLAIM_LIMIT,
        WORK_LEASE.as_secs_f64(),
    )
    .fetch_all(db)
    .await?;
    let pending = rows.into_iter().map(|row| PendingEvent {
        key: EventKey { provider: row.provider, id: row.id },
        attempts: row.attempts,
        traceparent: row.traceparent,
    });
    Ok(pending.collect())
}

/// Locks an event. Returns `None` if it was applied already.
pub(crate) async fn lock(db: &mut PgConnection, key: &EventKey) -> sqlx::Result<Option<LockedEvent>> {
    sqlx::query_as!(
        LockedEvent,
        r#"select kind, own_account, intent_snapshot as "snapshot: Json<IntentSnapshot>"
           from orders.provider_events
           where provider = $1 and id = $2 and applied_at is null
           for update"#,
        key.provider,
        key.id,
    )
    .fetch_optional(db)
    .await
}

/// Records that an event was applied.
pub(crate) async fn complete(
    db: &mut PgConnection,
    key: &EventKey,
    outcome: SnapshotOutcome,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.provider_events set applied_at = now(), next_attempt_at = null, outcome = $3
         where provider = $1 and id = $2",
        key.provider,
        key.id,
        outcome.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Makes an event due after `pause`.
pub(crate) async fn postpone(db: &Pool, key: &EventKey, pause: Duration) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.provider_events set next_attempt_at = now() + make_interval(secs => $3)
         where provider = $1 and id = $2 and applied_at is null",
        key.provider,
        key.id,
        pause.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}
