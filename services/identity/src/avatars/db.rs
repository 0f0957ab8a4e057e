//! SQL of avatars.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::users::{Role, User};

/// The columns of an avatar; the default is no avatar.
#[derive(Default)]
pub(crate) struct Avatar<'a> {
    pub(crate) image_key: Option<&'a str>,
    pub(crate) url: &'a str,
    pub(crate) thumbnail_url: &'a str,
}

/// Sets the avatar of a locked user.
pub(crate) async fn set(db: &mut PgConnection, id: Uuid, avatar: &Avatar<'_>) -> sqlx::Result<User> {
    sqlx::query_as!(
        User,
        r#"update identity.users
           set avatar_image_key = $2, avatar_url = $3, avatar_thumbnail_url = $4, updated_at = now()
           where id = $1 and deleted_at is null
           returning id, name, email as "email!", username, role as "role: Role", avatar_url,
                     avatar_thumbnail_url, disabled, email_verified_at is not null as "email_verified!", created_at,
                  updated_at"#,
        id,
        avatar.image_key,
        avatar.url,
        avatar.thumbnail_url,
    )
    .fetch_one(db)
    .await
}

/// Schedules the avatar image of a locked user for deletion. The same transaction must remove the reference to it.
pub(crate) async fn release_image(db: &mut PgConnection, user_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.stored_images set delete_after = now()
         where key = (select avatar_image_key from identity.users where id = $1)",
        user_id,
    )
    .execute(db)
    .await?;
    Ok(())
}
