//! `identity.sessions`. Whatever sets `ended_at` is announced by a trigger.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

/// The most that a list shows.
const MAX_LISTED: i64 = 100;

/// Begins a session.
pub(crate) async fn insert(
    db: &mut PgConnection,
    id: Uuid,
    user_id: Uuid,
    user_agent: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.sessions (id, user_id, user_agent) values ($1, $2, $3)",
        id,
        user_id,
        user_agent,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A session in a list.
pub(crate) struct Listed {
    pub(crate) id: Uuid,
    pub(crate) user_agent: String,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) last_used_at: OffsetDateTime,
}

/// The sessions of a user that can be used, the latest first.
pub(crate) async fn list(db: impl PgExecutor<'_>, user_id: Uuid, ttl: Duration) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        "select id, user_agent, created_at, last_used_at
         from identity.sessions
         where user_id = $1 and ended_at is null and last_used_at > now() - make_interval(secs => $2)
         order by last_used_at desc, id desc
         limit $3",
        user_id,
        ttl.as_secs_f64(),
        MAX_LISTED,
    )
    .fetch_all(db)
    .await
}

/// Moves a session on to its next generation of refresh tokens, those that come from `used_token_hash`.
pub(crate) async fn advance(
    db: &mut PgConnection,
    id: Uuid,
    generation: i32,
    used_token_hash: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.sessions set generation = $2, used_token_hash = $3, last_used_at = now() where id = $1",
        id,
        generation,
        used_token_hash,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends one session of a user. `None` when there is no such session, or not any more.
pub(crate) async fn end(db: impl PgExecutor<'_>, user_id: Uuid, id: Uuid) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "update identity.sessions set ended_at = now()
         where id = $1 and user_id = $2 and ended_at is null
         returning id",
        id,
        user_id,
    )
    .fetch_optional(db)
    .await
}

/// Ends the sessions of a user, but for the one to `keep`.
pub(crate) async fn end_all(
    db: impl PgExecutor<'_>,
    user_id: Uuid,
    keep: Option<Uuid>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "update identity.sessions set ended_at = now()
         where user_id = $1 and ended_at is null and id is distinct from $2
         returning id",
        user_id,
        keep,
    )
    .fetch_all(db)
    .await
}

/// Erases what sessions tell about the devices of a user.
pub(crate) async fn erase(db: &mut PgConnection, user_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!("update identity.sessions set user_agent = '' where user_id = $1", user_id)
        .execute(db)
        .await?;
    Ok(())
}

/// The sessions that ended no longer ago than this.
pub(crate) async fn ended_within(db: impl PgExecutor<'_>, time: Duration) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from identity.sessions where ended_at > now() - make_interval(secs => $1)",
        time.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}

/// Forgets sessions that ended, or were last used, longer ago than this, but no more than `limit` of them. Returns how
/// many they were.
pub(crate) async fn forget(
    db: impl PgExecutor<'_>,
    ended: Duration,
    unused: Duration,
    limit: i64,
) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from identity.sessions
         where id in (
             select id from identity.sessions
             where ended_at < now() - make_interval(secs => $1)
                or last_used_at < now() - make_interval(secs => $2)
             limit $3
             for update skip locked
         )",
        ended.as_secs_f64(),
        unused.as_secs_f64(),
        limit,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
