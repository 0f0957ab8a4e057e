//! SQL of password hashes.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::users::{Role, User};

/// The hash that a password is verified against.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) id: Uuid,
    pub(crate) password_hash: String,
}

/// Finds credentials by a normalized email or username, also of disabled users.
pub(crate) async fn find(db: impl PgExecutor<'_>, login: &str) -> sqlx::Result<Option<Credentials>> {
    // At most one user matches: emails contain an `@`, usernames never do.
    sqlx::query_as!(
        Credentials,
        r#"select id, password_hash as "password_hash!"
           from identity.users
           where (email_normalized = $1 or username_normalized = $1) and deleted_at is null"#,
        login,
    )
    .fetch_optional(db)
    .await
}

pub(crate) async fn find_hash(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        r#"select password_hash as "password_hash!" from identity.users where id = $1 and deleted_at is null"#,
        id,
    )
    .fetch_optional(db)
    .await
}

/// A locked user with the current password hash.
#[derive(Debug)]
pub(crate) struct LockedUser {
    pub(crate) user: User,
    pub(crate) password_hash: String,
    pub(crate) has_second_factor: bool,
}

/// Locks a user, so that it cannot be disabled and its password cannot change until the transaction ends.
pub(crate) async fn lock(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<LockedUser>> {
    let row = sqlx::query!(
        r#"select id, name, email as "email!", username, role as "role: Role", avatar_url,
                  avatar_thumbnail_url, disabled, email_verified_at is not null as "email_verified!", created_at, updated_at, password_hash as "password_hash!",
                  exists (
                      select from identity.second_factors f where f.user_id = users.id and f.confirmed_at is not null
                  ) as "has_second_factor!"
           from identity.users
           where id = $1 and deleted_at is null
           for no key update"#,
        id,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| LockedUser {
        user: User {
            id: row.id,
            name: row.name,
            email: row.email,
            username: row.username,
            role: row.role,
            avatar_url: row.avatar_url,
            avatar_thumbnail_url: row.avatar_thumbnail_url,
            disabled: row.disabled,
            email_verified: row.email_verified,
            created_at: row.created_at,
            updated_at: row.updated_at,
        },
        password_hash: row.password_hash,
        has_second_factor: row.has_second_factor,
    }))
}

pub(crate) async fn set_hash(db: &mut PgConnection, id: Uuid, hash: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.users set password_hash = $2 where id = $1 and deleted_at is null",
        id,
        hash,
    )
    .execute(db)
    .await?;
    Ok(())
}
