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
    sessions,
    users::{self, Email, Name, User, Username, addresses, db::UserUpdate, normalize},
};

/// Updates the fields that are set in the request.
pub(crate) async fn update_profile(
    db: &Pool,
    limiter: &RateLimiter,
    caller: &Caller,
    request: pb::UpdateProfileRequest,
) -> Result<User, Error> {
    let before = sessions::current_user(db, caller).await?;
    let mut violations = Violations::new();
    let name = request.name.map(|name| Name::parse(&name, &mut violations));
    let email = request.email.map(|email| Email::parse(&email, &mut violations));
    let username = request.username.map(|username| Username::parse(&username, &mut violations));
    let addresses = request.addresses.map(|list| addresses::parse(list.addresses, &mut violations));
    violations.finish()?;

    let changes_email = email.as_ref().is_some_and(|email| email.normalized != normalize(&before.email));
    let changes_username = username.as_ref().is_some_and(|new| {
        new.as_ref().map(|new| new.normalized.clone()) != before.username.as_deref().map(normalize)
    });
    if changes_email || changes_username {
        limit_login_changes(limiter, before.id).await?;
    }

    let mut transaction = db.begin().await?;
    let update = UserUpdate {
        name: name.as_ref(),
        email: email.as_ref(),
        username: username.as_ref().map(Option::as_ref),
    };
    // Locks the user, so that concurrent replacements of the addresses are serialized.
    let user = users::db::update(&mut *transaction, caller.user_id, &update)
        .await
        .map_err(Error::from_user_write)?
        .ok_or(Error::SessionEnded)?;
    if let Some(addresses) = &addresses {
        addresses::db::replace(&mut transaction, user.id, addresses).await?;
    }
    let logins = [
        ("email.changed", Some(before.email), Some(user.email.clone())),
        ("username.changed", before.username, user.username.clone()),
    ];
    for (action, before, after) in logins.into_iter().filter(|(_, before, after)| before != after) {
        let event = Event::new(action, caller).on(Subject::user(user.id)).states(before, after);
        AUDIT.record(&mut transaction, event).await?;
    }
    transaction.commit().await?;
    Ok(user)
}

/// Limits changes of emails and usernames, also those that fail: they show which ones are taken.
async fn limit_login_changes(limiter: &RateLimiter, user_id: Uuid) -> Result<(), Error> {
    let mut uses = vec![limits::LOGIN_CHANGE.by(user_id)];
    uses.extend(CallContext::client_network().map(|network| limits::LOGIN_CHANGE_CLIENT.by(network)));
    Ok(limiter.take(&uses).await?)
}
