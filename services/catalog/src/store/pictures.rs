//! `catalog.stored_images`: what the storage of pictures holds or may hold.

use std::time::Duration;

use bodega_media::sweep::{Due, LEASE, Ledger};
use sqlx::{PgConnection, PgExecutor, PgPool};

/// How long a picture may take from here to the product that shows it.
const UNSHOWN: Duration = Duration::from_secs(60 * 60);

/// Writes down what is about to be put into `storage`. It is swept in an hour, unless it is attached.
pub(crate) async fn insert(db: impl PgExecutor<'_>, key: &str, storage: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into catalog.stored_images (key, storage, delete_after)
         values ($1, $2, now() + make_interval(secs => $3))",
        key,
        storage,
        UNSHOWN.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps pictures for good. False when one of them is being swept already.
pub(crate) async fn attach(db: &mut PgConnection, keys: &[String]) -> sqlx::Result<bool> {
    let kept = sqlx::query!(
        "update catalog.stored_images set delete_after = null where key = any($1) and attempts = 0",
        keys,
    )
    .execute(db)
    .await?;
    Ok(usize::try_from(kept.rows_affected()) == Ok(keys.len()))
}

/// Leaves pictures to be swept at once, but for those that were attached all the same: when a commit fails, it may have
/// been made.
pub(crate) async fn discard(db: impl PgExecutor<'_>, keys: &[String]) -> sqlx::Result<()> {
    sqlx::query!(
        "update catalog.stored_images set delete_after = now()
         where key = any($1) and attempts = 0 and delete_after is not null",
        keys,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The rows, as the sweeper sees them.
pub(crate) struct Pictures(pub(crate) PgPool);

impl Ledger for Pictures {
    type Error = sqlx::Error;

    async fn claim(&self, storage: &str, limit: i64) -> sqlx::Result<Vec<Due>> {
        sqlx::query_as!(
            Due,
            "with due as (
                 select key from catalog.stored_images
                 where storage = $1 and delete_after <= now()
                 order by delete_after limit $2
                 for update skip locked
             )
             update catalog.stored_images p
             set attempts = p.attempts + 1, delete_after = now() + make_interval(secs => $3)
             from due
             where p.key = due.key
             returning p.key, p.attempts",
            storage,
            limit,
            LEASE.as_secs_f64(),
        )
        .fetch_all(&self.0)
        .await
    }

    async fn forget(&self, key: &str) -> sqlx::Result<()> {
        sqlx::query!("delete from catalog.stored_images where key = $1", key).execute(&self.0).await?;
        Ok(())
    }

    async fn postpone(&self, key: &str, pause: Duration) -> sqlx::Result<()> {
        sqlx::query!(
            "update catalog.stored_images set delete_after = now() + make_interval(secs => $2) where key = $1",
            key,
            pause.as_secs_f64(),
        )
        .execute(&self.0)
        .await?;
        Ok(())
    }
}
