//! Confirmation of addresses, and the undo of a change.

use bodega_audit::{Actor, Event, Subject};
use bodega_runtime::{auth::Caller, database::Pool, status::Violations};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    MailKind,
    db::{self, Purpose},
    enqueue, hash,
};
use crate::{
    AUDIT,
    error::Error,
    sessions,
    users::{Email, User, db::lock_enabled},
};

/// Mails a token that confirms the address of a new user, or a new address.
pub(crate) async fn request_verification(db: &mut PgConnection, user: &User) -> sqlx::Result<()> {
    let mut ignored = Violations::new();
    let email = Email::parse(&user.email, &mut ignored);
    enqueue(db, MailKind::VerifyEmail, Some(user.id), Some(&email.normalized)).await
}

/// Mails another token, unless the address is confirmed.
pub(crate) async fn resend_verification(db: &Pool, caller: &Caller) -> Result<(), Error> {
    let user = sessions::current_user(db, caller).await?;
    if !user.email_verified {
        let mut transaction = db.begin().await?;
        request_verification(&mut transaction, &user).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// Confirms the address that a token was mailed to. The token stays valid, so that a repeated call succeeds too.
pub(crate) async fn verify(db: &Pool, token: &str) -> Result<(), Error> {
    let token = db::find_token(db, &hash(token)?, Purpose::VerifyEmail).await?.ok_or(Error::InvalidToken)?;
    let mut transaction = db.begin().await?;
    let user = lock_enabled(&mut transaction, token.user_id).await?.ok_or(Error::InvalidToken)?;
    confirm(&mut transaction, &user, &token.email_key).await?;
    transaction.commit().await?;
    Ok(())
}

/// Records that a locked user has shown to receive mail at the address that a token was mailed to.
///
/// # Errors
/// [`Error::InvalidToken`] if the user has another address by now, or is disabled.
pub(super) async fn confirm(db: &mut PgConnection, user: &User, email_key: &str) -> Result<(), Error> {
    if !db::set_verified(&mut *db, user.id, email_key).await? {
        return Err(Error::InvalidToken);
    }
    if !user.email_verified {
        let event = Event::new("email.verified", Actor::Anonymous).on(Subject::user(user.id));
        AUDIT.record(db, event).await?;
    }
    Ok(())
}

/// Records that a locked user has changed the address `before`, which can be restored, and mails it if `sends_mail`.
pub(crate) async fn record_change(
    transaction: &mut PgConnection,
    before: &User,
    after: &User,
    sends_mail: bool,
) -> Result<(), Error> {
    let mut ignored = Violations::new();
    let earlier = Email::parse(&before.email, &mut ignored);
    let lifetime = Purpose::UndoEmailChange.lifetime();
    let verified = before.email_verified;
    let can_restore =
        db::insert_earlier_email(&mut *transaction, before.id, &earlier, verified, lifetime).await?;
    if sends_mail {
        if can_restore {
            let to = Some(earlier.normalized.as_str());
            enqueue(&mut *transaction, MailKind::EmailChanged, Some(before.id), to).await?;
        }
        request_verification(transaction, after).await?;
    }
    Ok(())
}

/// Restores the address that a token was mailed to, and ends all sessions. No other change of the address can be undone
/// afterwards: their tokens may have reached a thief. Returns the ended sessions.
pub(crate) async fn undo_change(db: &Pool, token: &str) -> Result<Vec<Uuid>, Error> {
    let hash = hash(token)?;
    let token = db::find_token(db, &hash, Purpose::UndoEmailChange).await?.ok_or(Error::InvalidToken)?;
    let mut transaction = db.begin().await?;
    lock_enabled(&mut transaction, token.user_id).await?.ok_or(Error::InvalidToken)?;
    if !db::use_token(&mut transaction, &hash, Purpose::UndoEmailChange, token.user_id).await? {
        return Err(Error::InvalidToken);
    }
    let earlier = db::take_earlier_email(&mut transaction, token.user_id, &token.email_key).await?;
    let email = earlier.ok_or(Error::InvalidToken)?;
    db::restore_email(&mut transaction, token.user_id, &email, &token.email_key)
        .await
        .map_err(Error::from_user_write)?;
    let ended = sessions::db::sessions::end_all(&mut *transaction, token.user_id, None).await?;
    let event = Event::new("email.change_undone", Actor::Anonymous).on(Subject::user(token.user_id));
    AUDIT.record(&mut transaction, event).await?;
    transaction.commit().await?;
    Ok(ended)
}
