//! Registration.

use bodega_audit::{Actor, Event, Subject};
use bodega_proto::identity::v1 as pb;
use bodega_runtime::{
    context::CallContext,
    database::Pool,
    rate_limit::{RateLimiter, limits},
    status::Violations,
};
use uuid::Uuid;

use super::start_session::{IssuedSession, start_session};
use crate::{
    AUDIT,
    error::Error,
    passwords::{Hasher, PersonalData, check_policy},
    recovery,
    users::{self, Email, Name, Role, Username, db::NewUser},
};

/// Creates a user with the role `user` and starts a session.
pub(crate) async fn register(
    db: &Pool,
    limiter: &RateLimiter,
    hasher: &Hasher,
    sends_mail: bool,
    request: pb::RegisterRequest,
) -> Result<IssuedSession, Error> {
    hasher.check_capacity()?;
    let mut violations = Violations::new();
    let name = Name::parse(&request.name, &mut violations);
    let email = Email::parse(&request.email, &mut violations);
    let username = Username::parse(&request.username, &mut violations);
    let personal = PersonalData { name: &name, email: &email, username: username.as_ref() };
    check_policy(&request.password, &personal, "password", &mut violations);
    violations.finish()?;

    // Also a registration that fails counts: it shows which emails are taken.
    if let Some(network) = CallContext::client_network() {
        limiter.take_cheaply(limits::REGISTRATION.by(network)).await?;
    }
    // Before a connection is acquired: hashing is slow, and connections are few.
    let password_hash = hasher.hash(&request.password).await?;

    let mut transaction = db.begin().await?;
    let new = NewUser {
        id: Uuid::now_v7(),
        name: &name,
        email: &email,
        username: username.as_ref(),
        password_hash: &password_hash,
        role: Role::User,
    };
    if recovery::db::is_reserved(&mut *transaction, &email, None).await? {
        return Err(Error::EmailTaken);
    }
    let user = users::db::insert(&mut *transaction, &new).await.map_err(Error::from_user_write)?;
    let event = Event::new("user.registered", Actor::User(user.id)).on(Subject::user(user.id));
    AUDIT.record(&mut transaction, event).await?;
    if sends_mail {
        recovery::request_verification(&mut transaction, &user).await?;
    }
    let session = start_session(&mut transaction, limiter.limits(), user, &request.user_agent).await?;
    transaction.commit().await?;
    Ok(session)
}
