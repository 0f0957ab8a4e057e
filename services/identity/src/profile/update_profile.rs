//! Updating name, email, username and addresses.

use bodega_audit::{Event, Subject};
use bodega_proto::identity::v1 as pb;
use bodega_runtime::{
    auth::Caller,
    context::CallContext,
    database::Pool,
    rate_limit::{RateLimiter, limits},
    status::Violations,
};

use uuid::Uuid;

use crate::{
    AUDIT,
    error::Error,
    passwords::{self, Hasher, verify_current},
    recovery::{self, db::is_reserved},
    second_factor, sessions,
    users::{
        self, Email, Name, Role, User, Username, addresses,
        db::{UserUpdate, lock_enabled},
        normalize,
    },
};

/// Updates the fields that are set in the request. Another email ends the other sessions of the caller, and can be undone.
/// Returns the user and the ended sessions.
pub(crate) async fn update_profile(
    db: &Pool,
    limiter: &RateLimiter,
    hasher: &Hasher,
    sends_mail: bool,
    caller: &Caller,
    request: pb::UpdateProfileRequest,
) -> Result<(User, Vec<Uuid>), Error> {
    let user = sessions::current_user(db, caller).await?;
    let mut violations = Violations::new();
    let name = request.name.map(|name| Name::parse(&name, &mut violations));
    let email = request.email.map(|email| Email::parse(&email, &mut violations));
    let username = request.username.map(|username| Username::parse(&username, &mut violations));
    let addresses = request.addresses.map(|list| addresses::parse(list.addresses, &mut violations));
    violations.finish()?;

    let changes_email = email.as_ref().is_some_and(|email| email.normalized != normalize(&user.email));
    let changes_username = username.as_ref().is_some_and(|new| {
        new.as_ref().map(|new| new.normalized.clone()) != user.username.as_deref().map(normalize)
    });
    if changes_email || changes_username {
        limit_login_changes(limiter, user.id).await?;
    }
    let changes_protected_email =
        changes_email && (user.email_verified || second_factor::db::is_confirmed(db, user.id).await?);
    // A stolen session must not be enough to take over an account.
    if changes_protected_email || changes_username && user.role == Role::Admin {
        require_password(db, limiter, hasher, &user, request.current_password.as_deref()).await?;
    }

    let mut transaction = db.begin().await?;
    let before = lock_enabled(&mut transaction, caller.user_id).await?.ok_or(Error::SessionEnded)?;
    if let Some(email) = &email
        && is_reserved(&mut *transaction, email, Some(caller.user_id)).await?
    {
        return Err(Error::EmailTaken);
    }
    let update = UserUpdate {
        name: name.as_ref(),
        email: email.as_ref(),
        username: username.as_ref().map(Option::as_ref),
    };
    let user = users::db::update(&mut *transaction, caller.user_id, &update)
        .await
        .map_err(Error::from_user_write)?
        .ok_or(Error::SessionEnded)?;
    if let Some(addresses) = &addresses {
        addresses::db::replace(&mut transaction, user.id, addresses).await?;
    }
    let mut ended = Vec::new();
    if normalize(&before.email) != normalize(&user.email) {
        recovery::record_change(&mut transaction, &before, &user, sends_mail).await?;
        ended = sessions::db::sessions::end_all(&mut *transaction, user.id, Some(caller.session_id)).await?;
    }
    let logins = [
        ("email.changed", Some(before.email.clone()), Some(user.email.clone())),
        ("username.changed", before.username.clone(), user.username.clone()),
    ];
    for (action, before, after) in logins.into_iter().filter(|(_, before, after)| before != after) {
        let event = Event::new(action, caller).on(Subject::user(user.id)).states(before, after);
        AUDIT.record(&mut transaction, event).await?;
    }
    transaction.commit().await?;
    Ok((user, ended))
}

/// Checks the current password for a change that a stolen session must not be enough for.
async fn require_password(
    db: &Pool,
    limiter: &RateLimiter,
    hasher: &Hasher,
    user: &User,
    password: Option<&str>,
) -> Result<(), Error> {
    let Some(password) = password else {
        return Err(Error::invalid("current_password", "is required for this change"));
    };
    let stored_hash = passwords::db::find_hash(db, user.id).await?.ok_or(Error::SessionEnded)?;
    verify_current(limiter, hasher, user.id, &stored_hash, password).await
}

/// Limits changes of emails and usernames, also those that fail: they show which ones are taken.
async fn limit_login_changes(limiter: &RateLimiter, user_id: Uuid) -> Result<(), Error> {
    let mut uses = vec![limits::LOGIN_CHANGE.by(user_id)];
    uses.extend(CallContext::client_network().map(|network| limits::LOGIN_CHANGE_CLIENT.by(network)));
    Ok(limiter.take(&uses).await?)
}
