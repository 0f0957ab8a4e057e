//! SQL of users.
//!
//! Locks are taken in one order: users by id, then sessions, then images.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{Email, Name, Role, User, Username};

pub(crate) struct NewUser<'a> {
    pub(crate) id: Uuid,
    pub(crate) name: &'a Name,
    pub(crate) email: &'a Email,
    pub(crate) username: Option<&'a Username>,
    pub(crate) password_hash: &'a str,
    pub(crate) role: Role,
}

/// Inserts a user. Fails with a violation of `one_user_per_email` or `one_user_per_username`.
pub(crate) async fn insert(db: impl PgExecutor<'_>, new: &NewUser<'_>) -> sqlx::Result<User> {
    sqlx::query_as!(
        User,
        r#"insert into identity.users
               (id, name, name_normalized, email, email_normalized, username, username_normalized, password_hash, role)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           returning id, name, email as "email!", username, role as "role: Role", avatar_url,
                     avatar_thumbnail_url, disabled, email_verified_at is not null as "email_verified!", created_at,
                  updated_at"#,
        new.id,
        new.name.display,
        new.name.normalized,
        new.email.display,
        new.email.normalized,
        new.username.map(|username| username.display.as_str()),
        new.username.map(|username| username.normalized.as_str()),
        new.password_hash,
        new.role.as_str(),
    )
    .fetch_one(db)
    .await
}

pub(crate) async fn find(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"select id, name, email as "email!", username, role as "role: Role", avatar_url,
                  avatar_thumbnail_url, disabled, email_verified_at is not null as "email_verified!", created_at,
                  updated_at
           from identity.users
           where id = $1 and deleted_at is null"#,
        id,
    )
    .fetch_optional(db)
    .await
}

/// Finds the user of an active session. Returns `None` when the session has ended, or the user is disabled or deleted.
pub(crate) async fn find_by_session(
    db: impl PgExecutor<'_>,
    id: Uuid,
    session_id: Uuid,
) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"select u.id, u.name, u.email as "email!", u.username, u.role as "role: Role", u.avatar_url,
                  u.avatar_thumbnail_url, u.disabled, u.email_verified_at is not null as "email_verified!", u.created_at,
                  u.updated_at
           from identity.sessions s
           join identity.users u on u.id = s.user_id
           where s.id = $1 and s.ended_at is null
             and u.id = $2 and u.deleted_at is null and not u.disabled"#,
        session_id,
        id,
    )
    .fetch_optional(db)
    .await
}

pub(crate) struct Filter<'a> {
    /// Normalized part of a name, username or email; empty for all.
    pub(crate) text: &'a str,
    pub(crate) role: Option<Role>,
    /// Only users with a lower id: those created earlier.
    pub(crate) before: Option<Uuid>,
}

/// Returns at most `limit` users, newest first.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    filter: &Filter<'_>,
    limit: i64,
) -> sqlx::Result<Vec<User>> {
    // Unlike `like`, `strpos` has no wildcards to escape.
    sqlx::query_as!(
        User,
        r#"select id, name, email as "email!", username, role as "role: Role", avatar_url,
                  avatar_thumbnail_url, disabled, email_verified_at is not null as "email_verified!", created_at,
                  updated_at
           from identity.users
           where deleted_at is null
             and ($1::uuid is null or id < $1)
             and ($2::text is null or role = $2)
             and ($3 = '' or strpos(name_normalized, $3) > 0 or strpos(username_normalized, $3) > 0 or strpos(email_normalized, $3) > 0)
           order by id desc
           limit $4"#,
        filter.before,
        filter.role.map(Role::as_str),
        filter.text,
        limit,
    )
    .fetch_all(db)
    .await
}

/// New values of a user; `None` leaves a value unchanged.
#[derive(Default)]
pub(crate) struct UserUpdate<'a> {
    pub(crate) name: Option<&'a Name>,
    pub(crate) email: Option<&'a Email>,
    /// `Some(None)` removes the username.
    pub(crate) username: Option<Option<&'a Username>>,
}

/// Updates a user. Fails with a violation of `one_user_per_email` or `one_user_per_username`.
pub(crate) async fn update(
    db: impl PgExecutor<'_>,
    id: Uuid,
    update: &UserUpdate<'_>,
) -> sqlx::Result<Option<User>> {
    let username = update.username.flatten();
    sqlx::query_as!(
        User,
        r#"update identity.users
           set name = coalesce($2, name),
               name_normalized = coalesce($3, name_normalized),
               email = coalesce($4, email),
               email_normalized = coalesce($5, email_normalized),
               username = case when $6 then $7 else username end,
               username_normalized = case when $6 then $8 else username_normalized end,
               updated_at = now()
           where id = $1 and deleted_at is null
           returning id, name, email as "email!", username, role as "role: Role", avatar_url,
                     avatar_thumbnail_url, disabled, email_verified_at is not null as "email_verified!", created_at,
                  updated_at"#,
        id,
        update.name.map(|name| name.display.as_str()),
        update.name.map(|name| name.normalized.as_str()),
        update.email.map(|email| email.display.as_str()),
        update.email.map(|email| email.normalized.as_str()),
        update.username.is_some(),
        username.map(|username| username.display.as_str()),
        username.map(|username| username.normalized.as_str()),
    )
    .fetch_optional(db)
    .await
}

/// Locks a user who is not disabled.
pub(crate) async fn lock_enabled(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"select id, name, email as "email!", username, role as "role: Role", avatar_url,
                  avatar_thumbnail_url, disabled, email_verified_at is not null as "email_verified!", created_at,
                  updated_at
           from identity.users
           where id = $1 and deleted_at is null and not disabled
           for no key update"#,
        id,
    )
    .fetch_optional(db)
    .await
}

/// Locks a user and all enabled admins, so that concurrent changes cannot remove the last admin.
pub(crate) async fn lock_with_admins(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Vec<User>> {
    sqlx::query_as!(
        User,
        r#"select id, name, email as "email!", username, role as "role: Role", avatar_url,
                  avatar_thumbnail_url, disabled, email_verified_at is not null as "email_verified!", created_at,
                  updated_at
           from identity.users
           where deleted_at is null and (id = $1 or (role = 'admin' and not disabled))
           order by id
           for no key update"#,
        id,
    )
    .fetch_all(db)
    .await
}

pub(crate) async fn set_role(
    db: &mut PgConnection,
    id: Uuid,
    role: Role,
    disabled: bool,
) -> sqlx::Result<User> {
    sqlx::query_as!(
        User,
        r#"update identity.users
           set role = $2, disabled = $3, updated_at = now()
           where id = $1 and deleted_at is null
           returning id, name, email as "email!", username, role as "role: Role", avatar_url,
                     avatar_thumbnail_url, disabled, email_verified_at is not null as "email_verified!", created_at,
                  updated_at"#,
        id,
        role.as_str(),
        disabled,
    )
    .fetch_one(db)
    .await
}

/// Erases the personal data of a user. The email and the username can be registered again.
pub(crate) async fn erase(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.users
         set name = '', name_normalized = '', email = null, email_normalized = null, username = null, username_normalized = null,
             password_hash = null, avatar_url = '', avatar_thumbnail_url = '', avatar_image_key = null,
             email_verified_at = null, updated_at = now(), deleted_at = now()
         where id = $1",
        id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Returns which of these users were deleted.
pub(crate) async fn find_deleted(db: impl PgExecutor<'_>, ids: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!("select id from identity.users where id = any($1) and deleted_at is not null", ids)
        .fetch_all(db)
        .await
}

/// Returns whether an admin can log in.
pub(crate) async fn has_admin(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from identity.users where role = 'admin' and not disabled and deleted_at is null
           ) as "exists!""#
    )
    .fetch_one(db)
    .await
}
