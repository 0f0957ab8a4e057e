//! Starting a session.

use bodega_audit::{Actor, Event, Subject};
use bodega_runtime::{
    context::CallContext,
    rate_limit::{RateLimits, limits::MAX_SESSIONS},
};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{db, refresh_token};
use crate::{AUDIT, error::Error, users::User};

/// The `user-agent` of a session is truncated to this number of characters.
const MAX_USER_AGENT_CHARS: usize = 200;

/// A session for which a refresh token was issued.
pub(crate) struct IssuedSession {
    pub(crate) id: Uuid,
    pub(crate) user: User,
    pub(crate) refresh_token: String,
    /// When a code of the second factor was last entered in the session; `None` without a second factor.
    pub(crate) second_factor_at: Option<OffsetDateTime>,
    /// Sessions that ended because the user had the maximum number.
    pub(crate) ended: Vec<Uuid>,
}

/// Starts a session of a new or locked user, and issues its first refresh token. From now on the account recognizes the client.
pub(crate) async fn start_session(
    db: &mut PgConnection,
    limits: RateLimits,
    user: User,
    user_agent: &str,
) -> Result<IssuedSession, Error> {
    let user_agent = shortened(user_agent);
    let id = Uuid::now_v7();
    let (refresh_token, hash) = refresh_token::generate();
    let max_others = limits.are_on().then_some(MAX_SESSIONS - 1);
    let ended = db::sessions::insert(db, id, user.id, &user_agent, max_others).await?;
    db::refresh_tokens::insert(db, &hash, id, 0).await?;
    let event = Event::new("session.started", Actor::User(user.id)).on(Subject::new("session", id));
    AUDIT.record(db, event).await?;
    if let Some(network) = CallContext::client_network() {
        db::recognized_clients::record(db, user.id, &network.to_string()).await?;
    }
    Ok(IssuedSession { id, user, refresh_token, second_factor_at: None, ended })
}

/// Records that a code of the second factor was entered in a new session.
pub(crate) async fn record_second_factor(
    db: &mut PgConnection,
    session: &mut IssuedSession,
) -> Result<(), Error> {
    let verified = db::sessions::record_second_factor(db, session.user.id, session.id).await?;
    session.second_factor_at = Some(verified.ok_or(Error::SessionEnded)?.second_factor_at);
    Ok(())
}

/// Records that a code of the second factor was entered in a session of a locked user. Issues another refresh token of the
/// session's generation: a client whose response is lost can use the one that it has.
pub(crate) async fn verify_session(
    db: &mut PgConnection,
    user: User,
    id: Uuid,
) -> Result<IssuedSession, Error> {
    let verified = db::sessions::record_second_factor(db, user.id, id).await?.ok_or(Error::SessionEnded)?;
    let (refresh_token, hash) = refresh_token::generate();
    db::refresh_tokens::insert(db, &hash, id, verified.generation).await?;
    let second_factor_at = Some(verified.second_factor_at);
    Ok(IssuedSession { id, user, refresh_token, second_factor_at, ended: Vec::new() })
}

/// Returns a `user-agent` as it is stored.
pub(crate) fn shortened(user_agent: &str) -> String {
    user_agent.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT_CHARS).collect()
}
