//! `identity.stored_images`: what the storage of pictures holds or may hold.

use std::time::Duration;

use bodega_media::sweep::{Due, LEASE, Ledger};
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

/// How long a picture may take from here to the account that shows it.
const UNSHOWN: Duration = Duration::from_secs(60 * 60);
/// Writes down what is about to be put into `storage`. It is swept in an hour, unless it is attached.
pub(crate) async fn insert(db: impl PgExecutor<'_>, key: &str, storage: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.stored_images (key, storage, delete_after)
         values ($1, $2, now() + make_interval(secs => $3))",
        key,
        storage,
        UNSHOWN.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps a picture for good. False when it is being swept already.
pub(crate) async fn attach(db: &mut PgConnection, key: &str) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update identity.stored_images set delete_after = null where key = $1 and attempts = 0",
        key,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Leaves the picture of an account, which is locked, to be swept. The account must stop showing it next.
pub(crate) async fn detach_avatar(db: &mut PgConnection, user_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.stored_images set delete_after = now()
         where key = (select avatar_image_key from identity.users where id = $1)",
        user_id,
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
                 select key from identity.stored_images
                 where storage = $1 and delete_after <= now()
                 order by delete_after limit $2
                 for update skip locked
             )
             update identity.stored_images p
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
        sqlx::query!("delete from identity.stored_images where key = $1", key).execute(&self.0).await?;
        Ok(())
    }

    async fn postpone(&self, key: &str, pause: Duration) -> sqlx::Result<()> {
        sqlx::query!(
            "update identity.stored_images set delete_after = now() + make_interval(secs => $2) where key = $1",
            key,
            pause.as_secs_f64(),
        )
        .execute(&self.0)
        .await?;
        Ok(())
    }
}
