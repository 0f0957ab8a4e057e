//! `identity.users`: accounts as they are seen and managed.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::account::{Account, Email, Name, Role, Username};

/// An account to be made.
pub(crate) struct NewAccount<'a> {
    pub(crate) id: Uuid,
    pub(crate) name: &'a Name,
    pub(crate) email: &'a Email,
    pub(crate) username: Option<&'a Username>,
    pub(crate) password_hash: &'a str,
    pub(crate) role: Role,
}

/// Makes an account. Violates `one_user_per_email` or `one_user_per_username` when it cannot.
pub(crate) async fn insert(db: impl PgExecutor<'_>, new: &NewAccount<'_>) -> sqlx::Result<Account> {
    sqlx::query_as!(
        Account,
        r#"insert into identity.users
               (id, name, name_normalized, email, email_normalized, username, username_normalized, password_hash, role)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           returning id, name, email as "email!", username, role as "role: Role", avatar_url,
                     avatar_thumbnail_url, disabled, created_at, updated_at"#,
        new.id,
        new.name.shown,
        new.name.key,
        new.email.shown,
        new.email.key,
        new.username.map(|username| username.shown.as_str()),
        new.username.map(|username| username.key.as_str()),
        new.password_hash,
        new.role.as_str(),
    )
    .fetch_one(db)
    .await
}

/// The account with this id.
pub(crate) async fn find(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<Account>> {
    sqlx::query_as!(
        Account,
        r#"select id, name, email as "email!", username, role as "role: Role", avatar_url,
                  avatar_thumbnail_url, disabled, created_at, updated_at
           from identity.users
           where id = $1 and deleted_at is null"#,
        id,
    )
    .fetch_optional(db)
    .await
}

/// The account that is signed in with this session: none when either of them is not in use any more.
pub(crate) async fn find_signed_in(
    db: impl PgExecutor<'_>,
    id: Uuid,
    session_id: Uuid,
) -> sqlx::Result<Option<Account>> {
    sqlx::query_as!(
        Account,
        r#"select u.id, u.name, u.email as "email!", u.username, u.role as "role: Role", u.avatar_url,
                  u.avatar_thumbnail_url, u.disabled, u.created_at, u.updated_at
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

/// Which accounts to list.
pub(crate) struct Filter<'a> {
    /// Folded part of a name, username or email; empty: any.
    pub(crate) part: &'a str,
    /// Only these.
    pub(crate) role: Option<Role>,
    /// Only those made before this one.
    pub(crate) before: Option<Uuid>,
}

/// At most `limit` accounts, newest first.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    filter: &Filter<'_>,
    limit: i64,
) -> sqlx::Result<Vec<Account>> {
    // `strpos` knows no wildcards: nothing to escape.
    sqlx::query_as!(
        Account,
        r#"select id, name, email as "email!", username, role as "role: Role", avatar_url,
                  avatar_thumbnail_url, disabled, created_at, updated_at
           from identity.users
           where deleted_at is null
             and ($1::uuid is null or id < $1)
             and ($2::text is null or role = $2)
             and ($3 = '' or strpos(name_normalized, $3) > 0 or strpos(username_normalized, $3) > 0 or strpos(email_normalized, $3) > 0)
           order by id desc
           limit $4"#,
        filter.before,
        filter.role.map(Role::as_str),
        filter.part,
        limit,
    )
    .fetch_all(db)
    .await
}

/// What to change of an account; `None` stays.
#[derive(Default)]
pub(crate) struct Changes<'a> {
    pub(crate) name: Option<&'a Name>,
    pub(crate) email: Option<&'a Email>,
    /// `Some(None)` gives the username up.
    pub(crate) username: Option<Option<&'a Username>>,
}

/// Changes an account. Violates `one_user_per_email` or `one_user_per_username` when it cannot.
pub(crate) async fn update(
    db: impl PgExecutor<'_>,
    id: Uuid,
    changes: &Changes<'_>,
) -> sqlx::Result<Option<Account>> {
    let username = changes.username.flatten();
    sqlx::query_as!(
        Account,
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
                     avatar_thumbnail_url, disabled, created_at, updated_at"#,
        id,
        changes.name.map(|name| name.shown.as_str()),
        changes.name.map(|name| name.key.as_str()),
        changes.email.map(|email| email.shown.as_str()),
        changes.email.map(|email| email.key.as_str()),
        changes.username.is_some(),
        username.map(|username| username.shown.as_str()),
        username.map(|username| username.key.as_str()),
    )
    .fetch_optional(db)
    .await
}

/// Locks the account with this id, if it may be used.
pub(crate) async fn lock_enabled(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Account>> {
    sqlx::query_as!(
        Account,
        r#"select id, name, email as "email!", username, role as "role: Role", avatar_url,
                  avatar_thumbnail_url, disabled, created_at, updated_at
           from identity.users
           where id = $1 and deleted_at is null and not disabled
           for no key update"#,
        id,
    )
    .fetch_optional(db)
    .await
}

/// What an account shows of its owner; by default nothing.
#[derive(Default)]
pub(crate) struct Avatar<'a> {
    /// Its key in `identity.stored_images`.
    pub(crate) picture: Option<&'a str>,
    pub(crate) url: &'a str,
    pub(crate) thumbnail_url: &'a str,
}

/// Sets what an account, which is locked, shows of its owner.
pub(crate) async fn set_avatar(
    db: &mut PgConnection,
    id: Uuid,
    avatar: &Avatar<'_>,
) -> sqlx::Result<Account> {
    sqlx::query_as!(
        Account,
        r#"update identity.users
           set avatar_image_key = $2, avatar_url = $3, avatar_thumbnail_url = $4, updated_at = now()
           where id = $1 and deleted_at is null
           returning id, name, email as "email!", username, role as "role: Role", avatar_url,
                     avatar_thumbnail_url, disabled, created_at, updated_at"#,
        id,
        avatar.picture,
        avatar.url,
        avatar.thumbnail_url,
    )
    .fetch_one(db)
    .await
}

/// Locks the account with this id, and every admin who can act, so that no two changes leave the shop without one.
pub(crate) async fn lock_with_admins(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Vec<Account>> {
    sqlx::query_as!(
        Account,
        r#"select id, name, email as "email!", username, role as "role: Role", avatar_url,
                  avatar_thumbnail_url, disabled, created_at, updated_at
           from identity.users
           where deleted_at is null and (id = $1 or (role = 'admin' and not disabled))
           order by id
           for no key update"#,
        id,
    )
    .fetch_all(db)
    .await
}

/// Sets what an account may do.
pub(crate) async fn set_standing(
    db: &mut PgConnection,
    id: Uuid,
    role: Role,
    disabled: bool,
) -> sqlx::Result<Account> {
    sqlx::query_as!(
        Account,
        r#"update identity.users
           set role = $2, disabled = $3, updated_at = now()
           where id = $1 and deleted_at is null
           returning id, name, email as "email!", username, role as "role: Role", avatar_url,
                     avatar_thumbnail_url, disabled, created_at, updated_at"#,
        id,
        role.as_str(),
        disabled,
    )
    .fetch_one(db)
    .await
}

/// Makes a tombstone of an account. Its email and username are free again.
pub(crate) async fn erase(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.users
         set name = '', name_normalized = '', email = null, email_normalized = null, username = null, username_normalized = null,
             password_hash = null, avatar_url = '', avatar_thumbnail_url = '', avatar_image_key = null,
             updated_at = now(), deleted_at = now()
         where id = $1",
        id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Whether anybody can run the shop.
pub(crate) async fn any_admin(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from identity.users where role = 'admin' and not disabled and deleted_at is null
           ) as "exists!""#
    )
    .fetch_one(db)
    .await
}
