//! The user who makes a call.

use bodega_runtime::{auth::Caller, database::Pool};

use crate::{
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
