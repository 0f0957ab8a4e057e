//! Password reset by mail.

use bodega_audit::{Actor, Event, Subject};
use bodega_proto::identity::v1 as pb;
use bodega_runtime::{auth::Caller, database::Pool, status::Violations};
use uuid::Uuid;

use super::{
    MailKind,
    db::{self, Purpose},
    email::confirm,
    enqueue, hash,
};
use crate::{
    AUDIT,
    error::Error,
    passwords::{self, Hasher},
    profile::check_new_password,
    sessions,
    users::{self, Email},
};

/// Parses the address of a request.
pub(crate) fn parse_email(email: &str) -> Result<Email, Error> {
    let mut violations = Violations::new();
    let email = Email::parse(email, &mut violations);
    violations.finish()?;
    Ok(email)
}

/// Writes the mail to an address. Whether a user has it is looked up when the mail is sent: the work is the same here.
pub(crate) async fn request_reset(db: &Pool, email: &Email) -> Result<(), Error> {
    Ok(enqueue(db, MailKind::PasswordReset, None, Some(&email.normalized)).await?)
}

/// Writes the mail to a user, on behalf of an admin.
pub(crate) async fn send_reset(db: &Pool, caller: &Caller, user_id: Uuid) -> Result<(), Error> {
    let mut transaction = db.begin().await?;
    enqueue(&mut *transaction, MailKind::PasswordReset, Some(user_id), None).await?;
    let event = Event::new("password.reset_requested", caller).on(Subject::user(user_id));
    AUDIT.record(&mut transaction, event).await?;
    transaction.commit().await?;
    Ok(())
}

/// Sets a new password with a mailed token, and ends all sessions. Returns the ended sessions.
pub(crate) async fn reset(
    db: &Pool,
    hasher: &Hasher,
    request: &pb::ResetPasswordRequest,
) -> Result<Vec<Uuid>, Error> {
    let hash = hash(&request.token)?;
    let token = db::find_token(db, &hash, Purpose::PasswordReset).await?.ok_or(Error::InvalidToken)?;
    let user = users::db::find(db, token.user_id).await?.ok_or(Error::InvalidToken)?;
    check_new_password(&user, &request.password, "password")?;
    let new_hash = hasher.hash(&request.password).await?;

    let mut transaction = db.begin().await?;
    // The lock of the user orders this, changes of the address, and other uses of the token.
    let locked = passwords::db::lock(&mut transaction, token.user_id).await?.ok_or(Error::InvalidToken)?;
    if !db::use_token(&mut transaction, &hash, Purpose::PasswordReset, token.user_id).await? {
        return Err(Error::InvalidToken);
    }
    confirm(&mut transaction, &locked.user, &token.email_key).await?;
    passwords::db::set_hash(&mut transaction, token.user_id, &new_hash).await?;
    let ended = sessions::db::sessions::end_all(&mut *transaction, token.user_id, None).await?;
    let event = Event::new("password.reset", Actor::Anonymous).on(Subject::user(token.user_id));
    AUDIT.record(&mut transaction, event).await?;
    enqueue(&mut *transaction, MailKind::PasswordChanged, Some(token.user_id), None).await?;
    transaction.commit().await?;
    Ok(ended)
}
