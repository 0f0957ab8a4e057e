//! The user who makes a call.

use bodega_runtime::{auth::Caller, database::Pool};

use crate::{
    api_keys,
    error::Error,
    users::{self, Role, User},
};

/// Returns the user of the caller. Fails when the session has ended or the user is disabled or deleted: the access
/// token stays valid after both.
pub(crate) async fn current_user(db: &Pool, caller: &Caller) -> Result<User, Error> {
    users::db::find_by_session(db, caller.user_id, caller.session_id).await?.ok_or(Error::SessionEnded)
}

/// Returns the user of the caller, who must still be an admin.
pub(crate) async fn current_admin(db: &Pool, caller: &Caller) -> Result<User, Error> {
    let user = current_user(db, caller).await?;
    if user.role == Role::Admin { Ok(user) } else { Err(Error::AdminOnly) }
}

/// Checks that the caller is still an admin, or an API key that works. The scope of a key is in its access token.
pub(crate) async fn current_admin_or_key(db: &Pool, caller: &Caller) -> Result<(), Error> {
    if !caller.is_api_key() {
        return current_admin(db, caller).await.map(drop);
    }
    if api_keys::db::is_active(db, caller.user_id).await? { Ok(()) } else { Err(Error::SessionEnded) }
}
