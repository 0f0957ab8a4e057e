//! Starting a session.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{db, refresh_token};
use crate::{error::Error, users::User};

/// The `user-agent` of a session is truncated to this number of characters.
const MAX_USER_AGENT_CHARS: usize = 200;

/// A session for which a refresh token was issued.
pub(crate) struct IssuedSession {
    pub(crate) id: Uuid,
    pub(crate) user: User,
    pub(crate) refresh_token: String,
}

/// Starts a session of a new or locked user, and issues its first refresh token.
pub(super) async fn start_session(
    db: &mut PgConnection,
    user: User,
    user_agent: &str,
) -> Result<IssuedSession, Error> {
    let user_agent: String =
        user_agent.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT_CHARS).collect();
    let id = Uuid::now_v7();
    let (refresh_token, hash) = refresh_token::generate();
    db::sessions::insert(db, id, user.id, &user_agent).await?;
    db::refresh_tokens::insert(db, &hash, id, 0).await?;
    Ok(IssuedSession { id, user, refresh_token })
}
