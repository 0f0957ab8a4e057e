//! SQL of sessions. A trigger records the transaction that sets `ended_at`.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

const MAX_LISTED: i64 = 100;

/// Inserts a session. Ends all but `max_others` of the user's other sessions, those that were used last; `None` keeps all.
/// Returns the ended ones.
pub(crate) async fn insert(
    db: &mut PgConnection,
    id: Uuid,
    user_id: Uuid,
    user_agent: &str,
    max_others: Option<i64>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "with inserted as (
             insert into identity.sessions (id, user_id, user_agent) values ($1, $2, $3)
         )
         update identity.sessions set ended_at = now()
         where $4::bigint is not null and id in (
             select id from identity.sessions
             where user_id = $2 and ended_at is null
             order by last_used_at desc, id desc offset $4
         )
         returning id",
        id,
        user_id,
        user_agent,
        max_others,
    )
    .fetch_all(db)
    .await
}

/// A session of a user.
pub(crate) struct SessionRow {
    pub(crate) id: Uuid,
    pub(crate) user_agent: String,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) last_used_at: OffsetDateTime,
}

/// Returns the active sessions of a user, the last used first.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    user_id: Uuid,
    ttl: Duration,
    session_ttl: Duration,
) -> sqlx::Result<Vec<SessionRow>> {
    sqlx::query_as!(
        SessionRow,
        "select id, user_agent, created_at, last_used_at
         from identity.sessions
         where user_id = $1 and ended_at is null and last_used_at > now() - make_interval(secs => $2)
           and created_at > now() - make_interval(secs => $3)
         order by last_used_at desc, id desc
         limit $4",
        user_id,
        ttl.as_secs_f64(),
        session_ttl.as_secs_f64(),
        MAX_LISTED,
    )
    .fetch_all(db)
    .await
}

/// Starts the next generation of refresh tokens, which are issued for the token with `used_token_hash`.
pub(crate) async fn advance(
    db: &mut PgConnection,
    id: Uuid,
    generation: i32,
    used_token_hash: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.sessions
         set generation = $2, used_token_hash = $3, last_used_at = now(), issued_tokens = issued_tokens + 1
         where id = $1",
        id,
        generation,
        used_token_hash,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A session in which a code was entered.
pub(crate) struct VerifiedSession {
    /// Of the refresh tokens that are still unused.
    pub(crate) generation: i32,
    pub(crate) second_factor_at: OffsetDateTime,
}

/// Records that a code of the second factor was entered. Returns `None` when the user has no such active session.
pub(crate) async fn record_second_factor(
    db: &mut PgConnection,
    user_id: Uuid,
    id: Uuid,
) -> sqlx::Result<Option<VerifiedSession>> {
    sqlx::query_as!(
        VerifiedSession,
        r#"update identity.sessions set second_factor_at = now()
           where id = $1 and user_id = $2 and ended_at is null
           returning generation, second_factor_at as "second_factor_at!""#,
        id,
        user_id,
    )
    .fetch_optional(db)
    .await
}

/// Counts a refresh token that is issued for the current generation again.
pub(crate) async fn count_retry(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query!("update identity.sessions set issued_tokens = issued_tokens + 1 where id = $1", id)
        .execute(db)
        .await?;
    Ok(())
}

/// Ends a session of a user. Returns `None` when the user has no such active session.
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

/// Ends all sessions of a user except `keep`, and returns their ids.
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

/// Erases the personal data in the sessions of a user.
pub(crate) async fn erase(db: &mut PgConnection, user_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!("update identity.sessions set user_agent = '' where user_id = $1", user_id)
        .execute(db)
        .await?;
    Ok(())
}

/// Returns the sessions and API keys that ended within the last `period`.
pub(crate) async fn list_ended(db: impl PgExecutor<'_>, period: Duration) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"select id as "id!" from identity.sessions where ended_at > now() - make_interval(secs => $1)
           union all
           select id from identity.api_keys where ended_at > now() - make_interval(secs => $1)"#,
        period.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}

/// Deletes at most `limit` sessions that ended before `ended` ago or were last used before `unused` ago. Returns their
/// number.
pub(crate) async fn delete_old(
    db: impl PgExecutor<'_>,
    ended: Duration,
    unused: Duration,
    limit: i64,
) -> sqlx::Result<u64> {
    let result = sqlx::query!(
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
    Ok(result.rows_affected())
}
