//! SQL of API keys. A trigger records the transaction that sets `ended_at`.

use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) struct NewApiKey<'a> {
    pub(super) id: Uuid,
    pub(super) name: &'a str,
    pub(super) hash: &'a [u8],
    pub(super) scopes: &'a [String],
    pub(super) created_by: Uuid,
    pub(super) days: i32,
}

/// A key that works, without its text.
pub(crate) struct ApiKey {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) created_by: Uuid,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) last_used_at: Option<OffsetDateTime>,
}

/// Inserts a key. Returns `None` when there are `max` keys.
pub(super) async fn insert(
    db: impl PgExecutor<'_>,
    new: &NewApiKey<'_>,
    max: i64,
) -> sqlx::Result<Option<ApiKey>> {
    sqlx::query_as!(
        ApiKey,
        "insert into identity.api_keys (id, name, hash, scopes, created_by, expires_at)
         select $1, $2, $3, $4, $5, now() + make_interval(days => $6)
         where (select count(*) from identity.api_keys where ended_at is null and expires_at > now()) < $7
         returning id, name, scopes, created_by, created_at, expires_at, last_used_at",
        new.id,
        new.name,
        new.hash,
        new.scopes,
        new.created_by,
        new.days,
        max,
    )
    .fetch_optional(db)
    .await
}

/// Returns the keys that work, newest first.
pub(crate) async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<ApiKey>> {
    sqlx::query_as!(
        ApiKey,
        "select id, name, scopes, created_by, created_at, expires_at, last_used_at
         from identity.api_keys
         where ended_at is null and expires_at > now()
         order by id desc"
    )
    .fetch_all(db)
    .await
}

/// A key that was found by its hash.
pub(super) struct FoundKey {
    pub(super) id: Uuid,
    pub(super) scopes: Vec<String>,
    pub(super) remaining_seconds: f64,
    /// Whether the recorded use is old.
    pub(super) is_use_due: bool,
}

pub(super) async fn find_active(db: impl PgExecutor<'_>, hash: &[u8]) -> sqlx::Result<Option<FoundKey>> {
    sqlx::query_as!(
        FoundKey,
        r#"select k.id, k.scopes, extract(epoch from k.expires_at - now())::float8 as "remaining_seconds!",
                  coalesce(k.last_used_at < now() - interval '1 minute', true) as "is_use_due!"
           from identity.api_keys k
           join identity.users u on u.id = k.created_by
           where k.hash = $1 and k.ended_at is null and k.expires_at > now()
             and u.role = 'admin' and not u.disabled and u.deleted_at is null"#,
        hash,
    )
    .fetch_optional(db)
    .await
}

/// Returns whether a key works.
pub(crate) async fn is_active(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from identity.api_keys where id = $1 and ended_at is null and expires_at > now()
           ) as "exists!""#,
        id,
    )
    .fetch_one(db)
    .await
}

pub(super) async fn record_use(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query!("update identity.api_keys set last_used_at = now() where id = $1", id).execute(db).await?;
    Ok(())
}

/// Ends a key. Returns `None` when there is no such key that works.
pub(super) async fn end(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "update identity.api_keys set ended_at = now()
         where id = $1 and ended_at is null and expires_at > now()
         returning id",
        id,
    )
    .fetch_optional(db)
    .await
}

/// Ends the keys that a user has created, and returns their ids.
pub(crate) async fn end_all_of(db: &mut PgConnection, user_id: Uuid) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "update identity.api_keys set ended_at = now() where created_by = $1 and ended_at is null returning id",
        user_id,
    )
    .fetch_all(db)
    .await
}

/// Deletes at most `limit` keys that ended or expired before `retention_seconds` ago.
pub(crate) async fn delete_old(
    db: impl PgExecutor<'_>,
    retention_seconds: f64,
    limit: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.api_keys
         where id in (
             select id from identity.api_keys
             where ended_at < now() - make_interval(secs => $1) or expires_at < now() - make_interval(secs => $1)
             limit $2
         )",
        retention_seconds,
        limit,
    )
    .execute(db)
    .await?;
    Ok(())
}
