//! SQL of second factors, recovery codes and challenges.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// Stores a secret that is not in use yet. Returns `false` when the user has a second factor in use.
pub(super) async fn enroll(
    db: impl PgExecutor<'_>,
    user_id: Uuid,
    encrypted_secret: &[u8],
) -> sqlx::Result<bool> {
    let result = sqlx::query!(
        "insert into identity.second_factors as f (user_id, encrypted_secret) values ($1, $2)
         on conflict (user_id) do update set encrypted_secret = excluded.encrypted_secret, created_at = now()
         where f.confirmed_at is null",
        user_id,
        encrypted_secret,
    )
    .execute(db)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// A locked second factor.
pub(super) struct SecondFactor {
    pub(super) encrypted_secret: Vec<u8>,
    /// Of the last accepted code; 0 before the first.
    pub(super) last_step: i64,
    /// Whether the user has confirmed it.
    pub(super) is_enabled: bool,
}

pub(super) async fn lock(db: &mut PgConnection, user_id: Uuid) -> sqlx::Result<Option<SecondFactor>> {
    sqlx::query_as!(
        SecondFactor,
        r#"select encrypted_secret, last_step, confirmed_at is not null as "is_enabled!"
           from identity.second_factors
           where user_id = $1
           for update"#,
        user_id,
    )
    .fetch_optional(db)
    .await
}

/// An encrypted secret.
pub(super) struct EncryptedSecret {
    pub(super) user_id: Uuid,
    pub(super) encrypted_secret: Vec<u8>,
}

/// Returns the secrets of at most `limit` users, those after `after`, by user.
pub(super) async fn list_encrypted(
    db: impl PgExecutor<'_>,
    after: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<EncryptedSecret>> {
    sqlx::query_as!(
        EncryptedSecret,
        "select user_id, encrypted_secret from identity.second_factors where user_id > $1 order by user_id limit $2",
        after,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Replaces an encrypted secret, unless it has changed.
pub(super) async fn update_encrypted(
    db: impl PgExecutor<'_>,
    user_id: Uuid,
    old: &[u8],
    new: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.second_factors set encrypted_secret = $3 where user_id = $1 and encrypted_secret = $2",
        user_id,
        old,
        new,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Stores the step of an accepted code, and enables the second factor.
pub(super) async fn accept_step(db: &mut PgConnection, user_id: Uuid, step: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.second_factors
         set last_step = $2, confirmed_at = coalesce(confirmed_at, now())
         where user_id = $1",
        user_id,
        step,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes the second factor of a user with its recovery codes, and the user's challenges.
pub(crate) async fn delete(db: &mut PgConnection, user_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "with challenges as (delete from identity.login_challenges where user_id = $1)
         delete from identity.second_factors where user_id = $1",
        user_id,
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn insert_recovery_codes(
    db: &mut PgConnection,
    user_id: Uuid,
    hashes: &[Vec<u8>],
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.recovery_codes (user_id, hash) select $1, unnest($2::bytea[])",
        user_id,
        hashes,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes a recovery code. Returns `false` when the user has no such unused code.
pub(super) async fn use_recovery_code(
    db: &mut PgConnection,
    user_id: Uuid,
    hash: &[u8],
) -> sqlx::Result<bool> {
    let result =
        sqlx::query!("delete from identity.recovery_codes where user_id = $1 and hash = $2", user_id, hash,)
            .execute(db)
            .await?;
    Ok(result.rows_affected() == 1)
}

/// A login that waits for a code.
pub(super) struct Challenge {
    pub(super) user_id: Uuid,
    pub(super) password_digest: Vec<u8>,
    pub(super) user_agent: String,
}

/// Stores a challenge, and deletes the user's expired ones.
pub(super) async fn insert_challenge(
    db: &mut PgConnection,
    hash: &[u8],
    challenge: &Challenge,
    lifetime_seconds: f64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with expired as (
             delete from identity.login_challenges where user_id = $2 and expires_at < now()
         )
         insert into identity.login_challenges (hash, user_id, password_digest, user_agent, expires_at)
         values ($1, $2, $3, $4, now() + make_interval(secs => $5))",
        hash,
        challenge.user_id,
        challenge.password_digest,
        challenge.user_agent,
        lifetime_seconds,
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn find_challenge(db: impl PgExecutor<'_>, hash: &[u8]) -> sqlx::Result<Option<Challenge>> {
    sqlx::query_as!(
        Challenge,
        "select user_id, password_digest, user_agent
         from identity.login_challenges
         where hash = $1 and expires_at > now()",
        hash,
    )
    .fetch_optional(db)
    .await
}

/// Deletes a challenge that is used. Returns `false` when it was used already.
pub(super) async fn delete_challenge(db: &mut PgConnection, hash: &[u8]) -> sqlx::Result<bool> {
    let result =
        sqlx::query!("delete from identity.login_challenges where hash = $1", hash).execute(db).await?;
    Ok(result.rows_affected() == 1)
}

/// Deletes at most `limit` expired challenges.
pub(crate) async fn delete_expired_challenges(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.login_challenges
         where hash in (select hash from identity.login_challenges where expires_at < now() limit $1)",
        limit,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The second factor of a user, as the user sees it.
pub(crate) struct State {
    pub(crate) is_enabled: bool,
    pub(crate) recovery_codes_left: i64,
}

/// Returns the state of a user's second factor, or `None` if the user has enrolled none.
pub(crate) async fn find_state(db: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<Option<State>> {
    sqlx::query_as!(
        State,
        r#"select confirmed_at is not null as "is_enabled!",
                  (select count(*) from identity.recovery_codes c where c.user_id = $1) as "recovery_codes_left!"
           from identity.second_factors
           where user_id = $1"#,
        user_id,
    )
    .fetch_optional(db)
    .await
}

/// Returns whether a user has a confirmed second factor.
pub(crate) async fn is_confirmed(db: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from identity.second_factors where user_id = $1 and confirmed_at is not null
           ) as "exists!""#,
        user_id,
    )
    .fetch_one(db)
    .await
}
