//! `identity.stored_images`, beside what `bodega_media::ImageRegistry` does with it.

use sqlx::PgConnection;
use uuid::Uuid;

/// Lets the avatar image of a locked user be deleted. The same transaction must remove the reference to it.
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
