//! The second step of a login, and the repeated check of a session.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bodega_runtime::{auth::Caller, database::Pool, rate_limit::RateLimiter};
use sqlx::PgConnection;

use super::{
    Codes,
    attempts::limit_attempts,
    db::{self, Challenge},
};
use crate::{
    error::Error,
    failed_logins::{self, RateLimitedLogins},
    passwords::{self, db::LockedUser},
    sessions::{self, IssuedSession, refresh_token},
    users,
};

/// Time in which the code must be entered after the password.
pub(crate) const CHALLENGE_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Stores that a locked user has entered the password. Returns the token for [`complete_login`].
pub(crate) async fn start_challenge(
    db: &mut PgConnection,
    locked: &LockedUser,
    user_agent: &str,
) -> Result<String, Error> {
    let (token, hash) = refresh_token::generate();
    let challenge = Challenge {
        user_id: locked.user.id,
        password_digest: password_digest(locked),
        user_agent: sessions::shortened(user_agent),
    };
    db::insert_challenge(db, &hash, &challenge, CHALLENGE_LIFETIME.as_secs_f64()).await?;
    Ok(token)
}

/// Starts the session of a login whose password was correct. The token works once.
pub(crate) async fn complete_login(
    db: &Pool,
    limiter: &RateLimiter,
    codes: &Codes,
    rate_limited: &RateLimitedLogins,
    token: &str,
    code: &str,
) -> Result<IssuedSession, Error> {
    let hash = refresh_token::hash(token);
    let challenge = db::find_challenge(db, &hash).await?.ok_or(Error::InvalidSecondFactorToken)?;
    let user_id = challenge.user_id;
    let completed =
        limit_attempts(db, limiter, user_id, complete(db, limiter, codes, &hash, challenge, code)).await;
    match &completed {
        Err(Error::InvalidCode) => failed_logins::count(db, Some(user_id)).await?,
        Err(error) if error.is_rate_limit() => rate_limited.count_second_step(user_id),
        _ => {}
    }
    completed
}

async fn complete(
    db: &Pool,
    limiter: &RateLimiter,
    codes: &Codes,
    hash: &[u8],
    challenge: Challenge,
    code: &str,
) -> Result<IssuedSession, Error> {
    let mut transaction = db.begin().await?;
    let locked = passwords::db::lock(&mut transaction, challenge.user_id).await?;
    let is_current =
        |locked: &LockedUser| !locked.user.disabled && password_digest(locked) == challenge.password_digest;
    let locked = locked.filter(is_current).ok_or(Error::InvalidSecondFactorToken)?;
    codes.verify(&mut transaction, locked.user.id, code).await?;
    if !db::delete_challenge(&mut transaction, hash).await? {
        return Err(Error::InvalidSecondFactorToken);
    }
    let limits = limiter.limits();
    let mut session =
        sessions::start_session(&mut transaction, limits, locked.user, &challenge.user_agent).await?;
    sessions::record_second_factor(&mut transaction, &mut session).await?;
    transaction.commit().await?;
    Ok(session)
}

/// Verifies a code in the caller's session, and issues tokens that say so.
pub(crate) async fn verify_again(
    db: &Pool,
    limiter: &RateLimiter,
    codes: &Codes,
    caller: &Caller,
    code: &str,
) -> Result<IssuedSession, Error> {
    let verify = async {
        let mut transaction = db.begin().await?;
        let user = users::db::lock_enabled(&mut transaction, caller.user_id).await?;
        let user = user.ok_or(Error::SessionEnded)?;
        codes.verify(&mut transaction, user.id, code).await?;
        let session = sessions::verify_session(&mut transaction, user, caller.session_id).await?;
        transaction.commit().await?;
        Ok(session)
    };
    limit_attempts(db, limiter, caller.user_id, verify).await
}

fn password_digest(locked: &LockedUser) -> Vec<u8> {
    digest(&SHA256, locked.password_hash.as_bytes()).as_ref().to_vec()
}
