//! `identity.users`: what accounts sign in with.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::account::{Account, Role};

/// What a password is verified against.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) id: Uuid,
    pub(crate) password_hash: String,
}

/// The credentials of the account with this email or username, folded; disabled ones too.
pub(crate) async fn find(db: impl PgExecutor<'_>, login_key: &str) -> sqlx::Result<Option<Credentials>> {
    // At most one has it: emails have an `@`, usernames never do.
    sqlx::query_as!(
        Credentials,
        r#"select id, password_hash as "password_hash!"
           from identity.users
           where (email_normalized = $1 or username_normalized = $1) and deleted_at is null"#,
        login_key,
    )
    .fetch_optional(db)
    .await
}

/// The password hash of an account.
pub(crate) async fn password_hash(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        r#"select password_hash as "password_hash!" from identity.users where id = $1 and deleted_at is null"#,
        id,
    )
    .fetch_optional(db)
    .await
}

/// An account about to be signed in, locked, with its password hash.
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) account: Account,
    pub(crate) password_hash: String,
}

/// Locks an account, so that it is neither disabled nor given another password while a session begins.
pub(crate) async fn lock(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Locked>> {
    let row = sqlx::query!(
        r#"select id, name, email as "email!", username, role as "role: Role", avatar_url,
                  avatar_thumbnail_url, disabled, created_at, updated_at, password_hash as "password_hash!"
           from identity.users
           where id = $1 and deleted_at is null
           for no key update"#,
        id,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Locked {
        account: Account {
            id: row.id,
            name: row.name,
            email: row.email,
            username: row.username,
            role: row.role,
            avatar_url: row.avatar_url,
            avatar_thumbnail_url: row.avatar_thumbnail_url,
            disabled: row.disabled,
            created_at: row.created_at,
            updated_at: row.updated_at,
        },
        password_hash: row.password_hash,
    }))
}

/// Keeps another hash of an account's password.
pub(crate) async fn set_password_hash(db: &mut PgConnection, id: Uuid, hash: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.users set password_hash = $2 where id = $1 and deleted_at is null",
        id,
        hash,
    )
    .execute(db)
    .await?;
    Ok(())
}
