//! Deleting a user.

use sqlx::PgPool;
use uuid::Uuid;

use super::last_admin::{require_another_admin, target};
use crate::{avatars, error::Error, sessions, users};

/// Erases the personal data of a user and ends its sessions. Returns the ended sessions.
pub(crate) async fn delete_user(pool: &PgPool, id: Uuid) -> Result<Vec<Uuid>, Error> {
    let mut tx = pool.begin().await?;
    let locked = users::db::lock_with_admins(&mut tx, id).await?;
    target(&locked, id)?;
    require_another_admin(&locked, id)?;

    avatars::db::release_image(&mut tx, id).await?;
    users::db::erase(&mut tx, id).await?;
    users::addresses::db::delete_all(&mut tx, id).await?;
    let ended = sessions::db::sessions::end_all(&mut *tx, id, None).await?;
    sessions::db::sessions::erase(&mut tx, id).await?;
    tx.commit().await?;
    Ok(ended)
}
