//! SQL of password hashes.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::users::{Role, User};

/// The hash that a password is verified against.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) id: Uuid,
    pub(crate) password_hash: String,
    /// Whether the password may start a session: the user is not disabled, and it is no expired one-time password.
    pub(crate) can_log_in: bool,
}

/// Finds credentials by a normalized email or username, also of disabled users.
pub(crate) async fn find(db: impl PgExecutor<'_>, login: &str) -> sqlx::Result<Option<Credentials>> {
    // At most one user matches: emails contain an `@`, usernames never do.
    sqlx::query_as!(
        Credentials,
        r#"select id, password_hash as "password_hash!",
                  not disabled and coalesce(password_expires_at > now(), true) as "can_log_in!"
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
    /// Whether the password may start a session.
    pub(crate) can_log_in: bool,
    /// Whether the password may start one session only.
    pub(crate) is_one_time: bool,
}

/// Locks a user, so that it cannot be disabled and its password cannot change until the transaction ends.
pub(crate) async fn lock(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<LockedUser>> {
    let row = sqlx::query!(
        r#"select id, name, email as "email!", username, role as "role: Role", avatar_url,
                  avatar_thumbnail_url, disabled, email_verified_at is not null as "email_verified!", created_at, updated_at, password_hash as "password_hash!",
                  not disabled and coalesce(password_expires_at > now(), true) as "can_log_in!",
                  password_expires_at is not null as "is_one_time!",
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
        can_log_in: row.can_log_in,
        is_one_time: row.is_one_time,
    }))
}

/// Sets a password that does not expire.
pub(crate) async fn set_hash(db: &mut PgConnection, id: Uuid, hash: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.users set password_hash = $2, password_expires_at = null
         where id = $1 and deleted_at is null",
        id,
        hash,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Sets a one-time password, which expires after `ttl`.
pub(crate) async fn set_one_time_hash(
    db: &mut PgConnection,
    id: Uuid,
    hash: &str,
    ttl: Duration,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.users set password_hash = $2, password_expires_at = now() + make_interval(secs => $3)
         where id = $1 and deleted_at is null",
        id,
        hash,
        ttl.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Expires a one-time password, which has started its session.
pub(crate) async fn expire(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query!("update identity.users set password_expires_at = now() where id = $1", id)
        .execute(db)
        .await?;
    Ok(())
}

/// Returns the highest cost of the bcrypt hashes, or `None` without any.
pub(crate) async fn highest_bcrypt_cost(db: impl PgExecutor<'_>) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar!(
        r"select max(substring(password_hash from '^\$2.\$(\d\d)')::integer)
          from identity.users where password_hash like '$2%'"
    )
    .fetch_one(db)
    .await
}
