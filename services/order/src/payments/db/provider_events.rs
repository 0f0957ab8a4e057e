//! What payment providers have told.

use std::time::Duration;

use sqlx::{PgConnection, PgPool, types::Json};

use super::limit;
use crate::{
    books::Outcome,
    bounds::{INLINE_GRACE, LEASE},
    provider::{Event, IntentSnapshot},
};

/// What an event is told apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventId {
    pub provider: String,
    /// The provider's name for it.
    pub id: String,
}

/// An event that waits to be applied.
pub(crate) struct Unapplied {
    pub id: EventId,
    /// How often the loop has tried.
    pub attempts: i32,
}

/// An event that nobody else can apply until the transaction ends.
pub(crate) struct Locked {
    /// The provider's word for what happened.
    pub kind: String,
    /// Whether it is of our account and mode.
    pub own_account: bool,
    pub snapshot: Json<IntentSnapshot>,
}

/// Writes an event down, to be applied. False when it is known already.
pub(crate) async fn insert(
    db: &PgPool,
    id: &EventId,
    event: &Event,
    snapshot: &IntentSnapshot,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into orders.provider_events (provider, id, kind, own_account, intent_snapshot, next_attempt_at)
         values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
         on conflict on constraint one_event_per_provider_id do nothing",
        id.provider,
        id.id,
        event.kind,
        event.own_account,
        Json(snapshot) as _,
        INLINE_GRACE.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Leases events that are due, the longest first.
pub(crate) async fn claim(db: &PgPool, most: usize) -> sqlx::Result<Vec<Unapplied>> {
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
         returning e.provider, e.id, e.attempts",
        limit(most),
        LEASE.as_secs_f64(),
    )
    .fetch_all(db)
    .await?;
    let unapplied = rows
        .into_iter()
        .map(|row| Unapplied { id: EventId { provider: row.provider, id: row.id }, attempts: row.attempts });
    Ok(unapplied.collect())
}

/// Locks an event that was not applied yet.
pub(crate) async fn lock(db: &mut PgConnection, id: &EventId) -> sqlx::Result<Option<Locked>> {
    sqlx::query_as!(
        Locked,
        r#"select kind, own_account, intent_snapshot as "snapshot: Json<IntentSnapshot>"
           from orders.provider_events
           where provider = $1 and id = $2 and applied_at is null
           for update"#,
        id.provider,
        id.id,
    )
    .fetch_optional(db)
    .await
}

/// Writes down what came of an event.
pub(crate) async fn applied(db: &mut PgConnection, id: &EventId, outcome: Outcome) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.provider_events set applied_at = now(), next_attempt_at = null, outcome = $3
         where provider = $1 and id = $2",
        id.provider,
        id.id,
        outcome.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// An event could not be applied; whoever comes after `pause` may try again.
pub(crate) async fn postpone(db: &PgPool, id: &EventId, pause: Duration) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.provider_events set next_attempt_at = now() + make_interval(secs => $3)
         where provider = $1 and id = $2 and applied_at is null",
        id.provider,
        id.id,
        pause.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}
