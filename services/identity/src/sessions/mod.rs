//! Sessions: register, log in, refresh, and the revocation of ended ones.

pub(crate) mod db;
mod login;
mod refresh;
mod refresh_token;
mod register;
mod revocations;

use bodega_runtime::auth::Caller;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

pub(crate) use self::{login::login, refresh::refresh, register::register, revocations::Revocations};
use crate::{
    error::Error,
    users::{self, Role, User},
};

/// The `user-agent` of a session is truncated to this number of characters.
const MAX_USER_AGENT: usize = 200;

/// A session for which a refresh token was issued.
pub(crate) struct IssuedSession {
    pub(crate) id: Uuid,
    pub(crate) user: User,
    pub(crate) refresh_token: String,
}

/// Returns the user of the caller. Fails when the session has ended or the user is disabled or deleted: an access token
/// outlives both.
pub(crate) async fn current_user(pool: &PgPool, caller: &Caller) -> Result<User, Error> {
    users::db::find_by_session(pool, caller.user_id, caller.session_id).await?.ok_or(Error::SessionEnded)
}

/// Returns the user of the caller, who must still be an admin.
pub(crate) async fn current_admin(pool: &PgPool, caller: &Caller) -> Result<User, Error> {
    let user = current_user(pool, caller).await?;
    if user.role == Role::Admin { Ok(user) } else { Err(Error::AdminOnly) }
}

/// Starts a session of a new or locked user.
async fn start(db: &mut PgConnection, user: User, user_agent: &str) -> Result<IssuedSession, Error> {
    let user_agent: String = user_agent.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect();
    let id = Uuid::now_v7();
    let (refresh_token, hash) = refresh_token::generate();
    db::sessions::insert(db, id, user.id, &user_agent).await?;
    db::refresh_tokens::insert(db, &hash, id, 0).await?;
    Ok(IssuedSession { id, user, refresh_token })
}
