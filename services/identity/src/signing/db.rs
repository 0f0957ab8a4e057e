//! SQL of signing keys.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;

/// The key that signs new tokens.
pub(super) struct CurrentKey {
    pub(super) kid: String,
    pub(super) encrypted_private_key: Vec<u8>,
    pub(super) created_at: OffsetDateTime,
}

pub(super) async fn find_current(db: impl PgExecutor<'_>) -> sqlx::Result<Option<CurrentKey>> {
    sqlx::query_as!(
        CurrentKey,
        "select kid, encrypted_private_key, created_at from identity.signing_keys where retired_at is null"
    )
    .fetch_optional(db)
    .await
}

/// Inserts a key as the current one, unless there is a current key.
pub(super) async fn insert(
    db: impl PgExecutor<'_>,
    kid: &str,
    public_key: &[u8],
    encrypted_private_key: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.signing_keys (kid, public_key, encrypted_private_key) values ($1, $2, $3)
         on conflict do nothing",
        kid,
        public_key,
        encrypted_private_key,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Replaces the encrypted private key, unless it has changed.
pub(super) async fn update_encrypted(
    db: impl PgExecutor<'_>,
    kid: &str,
    old: &[u8],
    new: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.signing_keys set encrypted_private_key = $3 where kid = $1 and encrypted_private_key = $2",
        kid,
        old,
        new,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Retires the current key. Returns `false` when it is retired already.
pub(super) async fn retire(db: &mut PgConnection, kid: &str) -> sqlx::Result<bool> {
    let result = sqlx::query!(
        "update identity.signing_keys set retired_at = now() where kid = $1 and retired_at is null",
        kid,
    )
    .execute(db)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// A key that verifies access tokens.
pub(crate) struct PublicKey {
    pub(crate) kid: String,
    pub(crate) public_key: Vec<u8>,
}

/// Returns the current key, then the keys that were retired within the last `retired`, the last retired first.
pub(super) async fn list_public(db: impl PgExecutor<'_>, retired: Duration) -> sqlx::Result<Vec<PublicKey>> {
    sqlx::query_as!(
        PublicKey,
        "select kid, public_key
         from identity.signing_keys
         where retired_at is null or retired_at > now() - make_interval(secs => $1)
         order by retired_at desc nulls first",
        retired.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}
