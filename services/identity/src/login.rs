//! Signing in.
//!
//! An unknown login, a wrong password and a disabled account take the same way, so that they take the same time and
//! give the same answer.

use bodega_proto::identity::v1 as pb;
use bodega_runtime::status::Violations;
use tracing::info;

use crate::{
    app::{App, SignedIn, begin_session},
    error::Error,
    normal::fold,
    password::Verdict,
    store::{self, credentials::Credentials},
};

/// No email and no username is longer, in bytes.
const MAX_LOGIN_BYTES: usize = 1024;
/// How often the password of an account may change while it is being verified.
const ATTEMPTS: usize = 3;

/// Begins a session for whoever knows the password.
pub(crate) async fn login(app: &App, request: pb::LoginRequest) -> Result<SignedIn, Error> {
    let mut violations = Violations::new();
    violations.require(!request.login.trim().is_empty(), "login", "must not be empty");
    violations.require(!request.password.is_empty(), "password", "must not be empty");
    violations.finish()?;

    for _ in 0..ATTEMPTS {
        let credentials = find(app, &request.login).await?;
        let kept = credentials.as_ref().map(|credentials| credentials.password_hash.as_str());
        let verdict = app.hasher.verify(kept, &request.password).await?;
        let (Some(credentials), Verdict::Right { upgrade }) = (credentials, verdict) else {
            return Err(Error::InvalidCredentials);
        };
        if let Some(signed_in) = begin(app, &credentials, upgrade, &request.user_agent).await? {
            return Ok(signed_in);
        }
    }
    Err(Error::InvalidCredentials)
}

async fn find(app: &App, login: &str) -> Result<Option<Credentials>, Error> {
    // Postgres has no NUL, and no account has any other control character.
    if login.len() > MAX_LOGIN_BYTES || login.trim().contains(char::is_control) {
        return Ok(None);
    }
    Ok(store::credentials::find(&app.db, &fold(login.trim())).await?)
}

/// Begins a session, if the password that was verified is still the account's: else `None`.
async fn begin(
    app: &App,
    verified: &Credentials,
    upgrade: Option<String>,
    user_agent: &str,
) -> Result<Option<SignedIn>, Error> {
    let mut tx = app.db.begin().await?;
    let Some(locked) = store::credentials::lock(&mut tx, verified.id).await? else {
        return Err(Error::InvalidCredentials);
    };
    if locked.account.disabled {
        return Err(Error::InvalidCredentials);
    }
    if locked.password_hash != verified.password_hash {
        return Ok(None);
    }
    if let Some(hash) = upgrade {
        store::credentials::set_password_hash(&mut tx, verified.id, &hash).await?;
        info!(user.id = %verified.id, "Upgraded the password hash of user {}", verified.id);
    }
    let signed_in = begin_session(&mut tx, locked.account, user_agent).await?;
    tx.commit().await?;
    Ok(Some(signed_in))
}
