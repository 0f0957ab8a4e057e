//! Logging in.
//!
//! An unknown login, a wrong password, a disabled user and an expired password take the same path, so that neither the response nor its
//! time reveals which of them it was.

use bodega_proto::identity::v1 as pb;
use bodega_runtime::{
    database::Pool,
    rate_limit::{RateLimiter, limits},
    status::Violations,
};
use tracing::info;

use super::{
    login_attempt::LoginAttempt,
    start_session::{IssuedSession, start_session},
};
use crate::{
    error::Error,
    failed_logins::{self, RateLimitedLogins},
    passwords::{self, Hasher, Verification, db::Credentials},
    second_factor,
    users::normalize,
};

/// No email or username is longer.
const MAX_LOGIN_BYTES: usize = 1024;
/// Maximum number of attempts: the password of a user may change while it is verified.
const MAX_ATTEMPTS: usize = 3;

/// Starts a session for a login and its password. For a user with a second factor it fails with
/// [`Error::SecondFactorRequired`], which has the token for the second step.
pub(crate) async fn login(
    db: &Pool,
    limiter: &RateLimiter,
    hasher: &Hasher,
    rate_limited: &RateLimitedLogins,
    request: pb::LoginRequest,
) -> Result<IssuedSession, Error> {
    let mut violations = Violations::new();
    violations.require(!request.login.trim().is_empty(), "login", "must not be empty");
    violations.require(!request.password.is_empty(), "password", "must not be empty");
    violations.finish()?;
    hasher.check_capacity()?;

    let login = normalize_login(&request.login);
    let counted = login.as_deref().unwrap_or(&request.login);
    let attempt = match LoginAttempt::begin(db, limiter, counted).await {
        Err(error) if error.is_rate_limit() => {
            rate_limited.count_login(login.as_deref());
            return Err(error);
        }
        attempt => attempt?,
    };
    let result = start_with_password(db, limiter, hasher, login.as_deref(), &request).await;
    if !matches!(result, Err(Error::InvalidCredentials)) {
        attempt.restore().await;
    }
    result
}

async fn start_with_password(
    db: &Pool,
    limiter: &RateLimiter,
    hasher: &Hasher,
    login: Option<&str>,
    request: &pb::LoginRequest,
) -> Result<IssuedSession, Error> {
    for _ in 0..MAX_ATTEMPTS {
        let credentials = match login {
            Some(login) => passwords::db::find(db, login).await?,
            None => None,
        };
        let account = credentials.as_ref().map(|credentials| credentials.id);
        let verification = hasher.verify_login(credentials.as_ref(), &request.password).await?;
        let (Some(credentials), Verification::Correct { upgraded_hash }) = (credentials, verification) else {
            failed_logins::count(db, account).await?;
            return Err(Error::InvalidCredentials);
        };
        limiter.take_cheaply(limits::SESSIONS.by(credentials.id)).await?;
        let started = start_if_unchanged(db, limiter, &credentials, upgraded_hash, &request.user_agent).await;
        if matches!(started, Err(Error::InvalidCredentials)) {
            failed_logins::count(db, account).await?;
        }
        if let Some(session) = started? {
            return Ok(session);
        }
    }
    Err(Error::InvalidCredentials)
}

/// Returns the normalized form of a login, or `None` if no account can have it.
fn normalize_login(login: &str) -> Option<String> {
    // Postgres rejects NUL, and no login contains any other control character.
    let is_possible = login.len() <= MAX_LOGIN_BYTES && !login.trim().contains(char::is_control);
    is_possible.then(|| normalize(login.trim()))
}

/// Starts a session, or returns `None` when the password has changed since it was verified.
async fn start_if_unchanged(
    db: &Pool,
    limiter: &RateLimiter,
    verified: &Credentials,
    upgraded_hash: Option<String>,
    user_agent: &str,
) -> Result<Option<IssuedSession>, Error> {
    let mut transaction = db.begin().await?;
    let Some(locked) = passwords::db::lock(&mut transaction, verified.id).await? else {
        return Err(Error::InvalidCredentials);
    };
    if !locked.can_log_in {
        return Err(Error::InvalidCredentials);
    }
    if locked.password_hash != verified.password_hash {
        return Ok(None);
    }
    if let Some(hash) = upgraded_hash {
        passwords::db::set_hash(&mut transaction, verified.id, &hash).await?;
        info!(user.id = %verified.id, "upgraded password hash");
    }
    if locked.is_one_time {
        passwords::db::expire(&mut transaction, verified.id).await?;
    }
    if locked.has_second_factor {
        let token = second_factor::start_challenge(&mut transaction, &locked, user_agent).await?;
        transaction.commit().await?;
        return Err(Error::SecondFactorRequired { token });
    }
    let session = start_session(&mut transaction, limiter.limits(), locked.user, user_agent).await?;
    transaction.commit().await?;
    Ok(Some(session))
}
