//! Enrolling, confirming and disabling a second factor.
//!
//! Confirming and disabling end all sessions of the user and start a new one: no earlier session, and no earlier access token,
//! says more or less about the second factor than is true.

use bodega_audit::{Event, Subject};
use bodega_proto::identity::v1 as pb;
use bodega_runtime::{
    auth::Caller,
    database::Pool,
    rate_limit::{RateLimiter, RateLimits},
};
use sqlx::PgConnection;
use tracing::info;
use uuid::Uuid;

use super::{Codes, attempts::limit_attempts, db, recovery_codes};
use crate::{
    AUDIT,
    error::Error,
    passwords::{self, Hasher, verify_current},
    sessions::{self, IssuedSession},
    users::{self, User},
};

/// Generates a secret for the caller's authenticator app, which replaces one that was not confirmed.
pub(crate) async fn enroll(
    db: &Pool,
    limiter: &RateLimiter,
    hasher: &Hasher,
    codes: &Codes,
    caller: &Caller,
    request: &pb::EnrollSecondFactorRequest,
) -> Result<pb::EnrollSecondFactorResponse, Error> {
    let user = sessions::current_user(db, caller).await?;
    let stored_hash = passwords::db::find_hash(db, user.id).await?.ok_or(Error::SessionEnded)?;
    verify_current(limiter, hasher, user.id, &stored_hash, &request.current_password).await?;
    let enrollment = codes.enroll(db, user.id, &user.email).await?;
    Ok(pb::EnrollSecondFactorResponse { secret: enrollment.secret, url: enrollment.url })
}

/// A new session in place of all earlier ones.
pub(crate) struct Restarted {
    pub(crate) session: IssuedSession,
    pub(crate) ended: Vec<Uuid>,
}

/// Enables the second factor that the caller has enrolled. Returns the recovery codes too.
pub(crate) async fn confirm(
    db: &Pool,
    codes: &Codes,
    caller: &Caller,
    request: &pb::ConfirmSecondFactorRequest,
) -> Result<(Restarted, Vec<String>), Error> {
    sessions::current_user(db, caller).await?;
    let mut transaction = db.begin().await?;
    let user = lock(&mut transaction, caller).await?;
    codes.confirm(&mut transaction, user.id, &request.code).await?;
    let recovery_codes = recovery_codes::generate();
    let hashes: Vec<_> =
        recovery_codes.iter().filter_map(|code| recovery_codes::hash(code)).map(Vec::from).collect();
    db::insert_recovery_codes(&mut transaction, user.id, &hashes).await?;
    let mut restarted = restart(&mut transaction, user, &request.user_agent).await?;
    sessions::record_second_factor(&mut transaction, &mut restarted.session).await?;
    let event = Event::new("second_factor.enabled", caller).on(Subject::user(caller.user_id));
    AUDIT.record(&mut transaction, event).await?;
    transaction.commit().await?;
    info!(user.id = %caller.user_id, "second factor enabled");
    Ok((restarted, recovery_codes))
}

/// Removes the second factor of the caller, who must enter a code of it.
pub(crate) async fn disable(
    db: &Pool,
    limiter: &RateLimiter,
    codes: &Codes,
    caller: &Caller,
    request: &pb::DisableSecondFactorRequest,
) -> Result<Restarted, Error> {
    sessions::current_user(db, caller).await?;
    let verify = async {
        let mut transaction = db.begin().await?;
        let user = lock(&mut transaction, caller).await?;
        codes.verify(&mut transaction, user.id, &request.code).await?;
        db::delete(&mut transaction, user.id).await?;
        let restarted = restart(&mut transaction, user, &request.user_agent).await?;
        let event = Event::new("second_factor.disabled", caller).on(Subject::user(caller.user_id));
        AUDIT.record(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(restarted)
    };
    let restarted = limit_attempts(db, limiter, caller.user_id, verify).await?;
    info!(user.id = %caller.user_id, "second factor disabled");
    Ok(restarted)
}

/// Locks the caller, so that a concurrent login sees the second factor before or after the change.
async fn lock(db: &mut PgConnection, caller: &Caller) -> Result<User, Error> {
    users::db::lock_enabled(db, caller.user_id).await?.ok_or(Error::SessionEnded)
}

async fn restart(db: &mut PgConnection, user: User, user_agent: &str) -> Result<Restarted, Error> {
    let ended = sessions::db::sessions::end_all(&mut *db, user.id, None).await?;
    // All of its other sessions have ended.
    let session = sessions::start_session(db, RateLimits::On, user, user_agent).await?;
    Ok(Restarted { session, ended })
}
