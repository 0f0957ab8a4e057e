//! `identity.signing_keys`.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;

/// A key as it is kept.
pub(crate) struct Sealed {
    pub(crate) kid: String,
    pub(crate) encrypted_private_key: Vec<u8>,
    pub(crate) created_at: OffsetDateTime,
}

/// The key that signs.
pub(crate) async fn current(db: impl PgExecutor<'_>) -> sqlx::Result<Option<Sealed>> {
    sqlx::query_as!(
        Sealed,
        "select kid, encrypted_private_key, created_at from identity.signing_keys where retired_at is null"
    )
    .fetch_optional(db)
    .await
}

/// Makes this the key that signs, unless there is one.
pub(crate) async fn insert(
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

/// Lets a key sign no more. False when it had been retired already.
pub(crate) async fn retire(db: &mut PgConnection, kid: &str) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update identity.signing_keys set retired_at = now() where kid = $1 and retired_at is null",
        kid,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A key that verifies.
pub(crate) struct Public {
    pub(crate) kid: String,
    pub(crate) public_key: Vec<u8>,
}

/// The key that signs, then those that were retired no longer ago than this, the latest first.
pub(crate) async fn public(db: impl PgExecutor<'_>, retired: Duration) -> sqlx::Result<Vec<Public>> {
    sqlx::query_as!(
        Public,
        "select kid, public_key
         from identity.signing_keys
         where retired_at is null or retired_at > now() - make_interval(secs => $1)
         order by retired_at desc nulls first",
        retired.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}
