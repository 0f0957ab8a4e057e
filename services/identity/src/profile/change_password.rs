//! Changing the password.

use bodega_audit::{Event, Subject};
use bodega_proto::identity::v1 as pb;
use bodega_runtime::{auth::Caller, database::Pool, rate_limit::RateLimiter, status::Violations};
use uuid::Uuid;

use crate::{
    AUDIT,
    error::Error,
    passwords::{self, Hasher, PersonalData, check_policy, verify_current},
    recovery::{MailKind, enqueue},
    sessions,
    users::{Email, Name, User, Username},
};

/// Sets a new password and ends the other sessions of the caller. Returns the ended sessions.
pub(crate) async fn change_password(
    db: &Pool,
    limiter: &RateLimiter,
    hasher: &Hasher,
    sends_mail: bool,
    caller: &Caller,
    request: &pb::ChangePasswordRequest,
) -> Result<Vec<Uuid>, Error> {
    let user = sessions::current_user(db, caller).await?;
    check_new_password(&user, &request.new_password, "new_password")?;

    let stored_hash = passwords::db::find_hash(db, user.id).await?.ok_or(Error::SessionEnded)?;
    verify_current(limiter, hasher, user.id, &stored_hash, &request.current_password).await?;
    let new_hash = hasher.hash(&request.new_password).await?;

    let mut transaction = db.begin().await?;
    let locked = passwords::db::lock(&mut transaction, user.id).await?.ok_or(Error::SessionEnded)?;
    if locked.password_hash != stored_hash {
        return Err(wrong_password());
    }
    passwords::db::set_hash(&mut transaction, user.id, &new_hash).await?;
    let ended = sessions::db::sessions::end_all(&mut *transaction, user.id, Some(caller.session_id)).await?;
    let event = Event::new("password.changed", caller).on(Subject::user(user.id));
    AUDIT.record(&mut transaction, event).await?;
    if sends_mail {
        enqueue(&mut *transaction, MailKind::PasswordChanged, Some(user.id), None).await?;
    }
    transaction.commit().await?;
    Ok(ended)
}

/// Checks a new password of a user; `field` has it in the request.
pub(crate) fn check_new_password(user: &User, password: &str, field: &str) -> Result<(), Error> {
    // The stored fields were accepted under the rules of their time, so their violations are ignored.
    let mut ignored = Violations::new();
    let name = Name::parse(&user.name, &mut ignored);
    let email = Email::parse(&user.email, &mut ignored);
    let username = Username::parse(user.username.as_deref().unwrap_or_default(), &mut ignored);

    let mut violations = Violations::new();
    let personal = PersonalData { name: &name, email: &email, username: username.as_ref() };
    check_policy(password, &personal, field, &mut violations);
    Ok(violations.finish()?)
}

fn wrong_password() -> Error {
    Error::invalid("current_password", "is wrong")
}
