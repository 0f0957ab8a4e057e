//! SQL of mailed tokens and earlier addresses.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::users::Email;

/// What a token is valid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    PasswordReset,
    VerifyEmail,
    UndoEmailChange,
}

impl Purpose {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::VerifyEmail => "verify_email",
            Self::UndoEmailChange => "undo_email_change",
        }
    }

    /// Returns how long a token is valid.
    pub(crate) fn lifetime(self) -> Duration {
        const HOUR: u64 = 60 * 60;
        Duration::from_secs(match self {
            Self::PasswordReset => HOUR,
            Self::VerifyEmail => 3 * 24 * HOUR,
            Self::UndoEmailChange => 7 * 24 * HOUR,
        })
    }
}

/// A token that has not expired.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) user_id: Uuid,
    /// The normalized address that it was mailed to.
    pub(crate) email_key: String,
}

pub(crate) async fn insert_token(
    db: impl PgExecutor<'_>,
    hash: &[u8],
    purpose: Purpose,
    token: &Token,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.account_tokens (hash, user_id, purpose, email_key, expires_at)
         values ($1, $2, $3, $4, now() + make_interval(secs => $5))",
        hash,
        token.user_id,
        purpose.as_str(),
        token.email_key,
        purpose.lifetime().as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) async fn find_token(
    db: impl PgExecutor<'_>,
    hash: &[u8],
    purpose: Purpose,
) -> sqlx::Result<Option<Token>> {
    sqlx::query_as!(
        Token,
        "select user_id, email_key from identity.account_tokens
         where hash = $1 and purpose = $2 and expires_at > now()",
        hash,
        purpose.as_str(),
    )
    .fetch_optional(db)
    .await
}

/// Deletes a token and all others of its purpose. Returns whether the token still existed: of any number of calls, one uses it.
pub(crate) async fn use_token(
    db: &mut PgConnection,
    hash: &[u8],
    purpose: Purpose,
    user_id: Uuid,
) -> sqlx::Result<bool> {
    let deleted = sqlx::query_scalar!(
        "delete from identity.account_tokens
         where user_id = $2 and purpose = $3
           and exists (select from identity.account_tokens t where t.hash = $1 and t.user_id = $2 and t.expires_at > now())
         returning hash",
        hash,
        user_id,
        purpose.as_str(),
    )
    .fetch_all(db)
    .await?;
    Ok(deleted.iter().any(|deleted| deleted == hash))
}

/// Deletes all tokens and earlier addresses of a user.
pub(crate) async fn erase(db: &mut PgConnection, user_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "with tokens as (delete from identity.account_tokens where user_id = $1),
              mails as (delete from identity.mails where user_id = $1)
         delete from identity.earlier_emails where user_id = $1",
        user_id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes expired tokens and earlier addresses. Returns the number of rows.
pub(crate) async fn delete_expired(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"with tokens as (
               delete from identity.account_tokens where hash in (
                   select hash from identity.account_tokens where expires_at < now() limit $1
               ) returning 1
           ), emails as (
               delete from identity.earlier_emails where (user_id, email_normalized) in (
                   select user_id, email_normalized from identity.earlier_emails where expires_at < now() limit $1
               ) returning 1
           )
           select (select count(*) from tokens) + (select count(*) from emails) as "count!""#,
        limit,
    )
    .fetch_one(db)
    .await
}

/// Records that a user has shown to receive mail at the address.
pub(crate) async fn set_verified(
    db: impl PgExecutor<'_>,
    user_id: Uuid,
    email_key: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update identity.users set email_verified_at = coalesce(email_verified_at, now())
         where id = $1 and email_normalized = $2 and deleted_at is null and not disabled",
        user_id,
        email_key,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Earlier addresses of a user that can be restored: a further one cannot replace the first ones.
const MAX_EARLIER_EMAILS: i64 = 5;

/// Remembers the address that a user is about to give up. Returns whether it can be restored.
pub(crate) async fn insert_earlier_email(
    db: &mut PgConnection,
    user_id: Uuid,
    email: &Email,
    verified: bool,
    lifetime: Duration,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into identity.earlier_emails as e (user_id, email, email_normalized, verified, expires_at)
         select $1, $2, $3, $4, now() + make_interval(secs => $5)
         where (select count(*) from identity.earlier_emails where user_id = $1 and expires_at > now()) < $6
         on conflict (user_id, email_normalized) do update
         set verified = e.verified or excluded.verified, expires_at = excluded.expires_at",
        user_id,
        email.display,
        email.normalized,
        verified,
        lifetime.as_secs_f64(),
        MAX_EARLIER_EMAILS,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Returns whether an address was confirmed by another user who can still restore it.
pub(crate) async fn is_reserved(
    db: impl PgExecutor<'_>,
    email: &Email,
    for_user: Option<Uuid>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from identity.earlier_emails
               where email_normalized = $1 and verified and expires_at > now() and ($2::uuid is null or user_id <> $2)
           ) as "exists!""#,
        email.normalized,
        for_user,
    )
    .fetch_one(db)
    .await
}

/// Takes an earlier address of a user, with all others. Returns it as it was entered.
pub(crate) async fn take_earlier_email(
    db: &mut PgConnection,
    user_id: Uuid,
    email_key: &str,
) -> sqlx::Result<Option<String>> {
    let deleted = sqlx::query!(
        r#"delete from identity.earlier_emails where user_id = $1
           returning email, email_normalized = $2 and expires_at > now() as "is_wanted!""#,
        user_id,
        email_key,
    )
    .fetch_all(db)
    .await?;
    Ok(deleted.into_iter().find(|row| row.is_wanted).map(|row| row.email))
}

/// Restores an address, which the user has shown to receive mail at. Fails with a violation of `one_user_per_email`.
pub(crate) async fn restore_email(
    db: &mut PgConnection,
    user_id: Uuid,
    email: &str,
    email_key: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.users
         set email = $2, email_normalized = $3, email_verified_at = clock_timestamp(), updated_at = now()
         where id = $1 and deleted_at is null",
        user_id,
        email,
        email_key,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A user who receives a mail.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) email_normalized: String,
    pub(crate) verified: bool,
    pub(crate) disabled: bool,
}

/// Finds the users with these ids or normalized addresses.
pub(crate) async fn recipients(
    db: impl PgExecutor<'_>,
    ids: &[Uuid],
    emails: &[String],
) -> sqlx::Result<Vec<Recipient>> {
    sqlx::query_as!(
        Recipient,
        r#"select id, name, email as "email!", email_normalized as "email_normalized!",
                  email_verified_at is not null as "verified!", disabled
           from identity.users
           where deleted_at is null and (id = any($1) or email_normalized = any($2))"#,
        ids,
        emails,
    )
    .fetch_all(db)
    .await
}

/// Returns an earlier address of a user as it was entered, if it can be restored.
pub(crate) async fn earlier_email(
    db: impl PgExecutor<'_>,
    user_id: Uuid,
    email_key: &str,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select email from identity.earlier_emails
         where user_id = $1 and email_normalized = $2 and expires_at > now()",
        user_id,
        email_key,
    )
    .fetch_optional(db)
    .await
}
