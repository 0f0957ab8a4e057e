//! Refreshing a session, with detection of reused refresh tokens.
//!
//! The refresh tokens of a session have generations. The first use of a token starts a new generation. While no token
//! of the new generation has been used, the previous token can be used again and gives another token of the same
//! generation: a client whose response was lost, or whose concurrent retry was faster, keeps its session. The use of
//! any older token ends the session: it is a sign of theft, because two clients use the session.
//!
//! Tokens are stored as long as their session, so their number is limited by its age.

use std::time::Duration;

use bodega_audit::{Actor, Event, Subject};
use bodega_runtime::{
    context::CallContext,
    database::Pool,
    rate_limit::{Limit, RateLimited, RateLimiter, limits},
};
use time::OffsetDateTime;
use tracing::warn;

use super::{
    db::{self, refresh_tokens::PresentedToken},
    refresh_token,
    revocations::Revocations,
    start_session::IssuedSession,
};
use crate::{AUDIT, config::Settings, error::Error};

/// No refresh token is longer.
const MAX_TOKEN_BYTES: usize = 128;

/// Issues the next refresh token of a session, which must have been used within the lifetime of refresh tokens, and started
/// within that of sessions.
pub(crate) async fn refresh(
    db: &Pool,
    limiter: &RateLimiter,
    revocations: &Revocations,
    settings: &Settings,
    token: &str,
) -> Result<IssuedSession, Error> {
    if let Some(network) = CallContext::client_network() {
        limiter.take_cheaply(limits::REFRESH_CLIENT.by(network)).await?;
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Error::InvalidRefreshToken);
    }
    let hash = refresh_token::hash(token);
    let mut transaction = db.begin().await?;
    let presented =
        db::refresh_tokens::lock(&mut transaction, &hash, settings.refresh_ttl, settings.session_ttl)
            .await?
            .ok_or(Error::InvalidRefreshToken)?;
    let session_id = presented.session_id;
    let token_use = TokenUse::of(&presented, &hash);
    if token_use != TokenUse::Reuse && limiter.limits().are_on() {
        check_limit(&presented, settings.access_ttl)?;
    }

    let generation = match token_use {
        TokenUse::First => {
            let next = presented.session_generation.saturating_add(1);
            db::sessions::advance(&mut transaction, session_id, next, &hash).await?;
            next
        }
        TokenUse::Retry => {
            db::sessions::count_retry(&mut transaction, session_id).await?;
            presented.session_generation
        }
        TokenUse::Reuse => {
            let user_id = presented.user.id;
            db::sessions::end(&mut *transaction, user_id, session_id).await?;
            let event = Event::new("refresh_token.reused", Actor::Anonymous).on(Subject::user(user_id));
            AUDIT.record(&mut transaction, event).await?;
            transaction.commit().await?;
            revocations.publish(&[session_id]);
            warn!(session.id = %session_id, user.id = %user_id, "old refresh token reused, session ended");
            return Err(Error::InvalidRefreshToken);
        }
    };
    let (refresh_token, hash) = refresh_token::generate();
    db::refresh_tokens::insert(&mut transaction, &hash, session_id, generation).await?;
    transaction.commit().await?;
    let PresentedToken { user, second_factor_at, .. } = presented;
    Ok(IssuedSession { id: session_id, user, refresh_token, second_factor_at, ended: Vec::new() })
}

/// Limits the tokens of a session, each of which is stored, by the age of the session.
fn check_limit(presented: &PresentedToken, access_ttl: Duration) -> Result<(), RateLimited> {
    let interval = limits::REFRESH.interval.min(access_ttl / 3);
    let limit = Limit { interval, ..limits::REFRESH };
    let age = OffsetDateTime::now_utc() - presented.session_created_at;
    let issued = u32::try_from(presented.issued_tokens).unwrap_or(0);
    let allowed_at = limit.interval * (issued + 1).saturating_sub(limit.burst);
    let wait = time::Duration::try_from(allowed_at).unwrap_or_default() - age;
    if wait.is_positive() {
        let seconds = wait.whole_seconds().unsigned_abs() + 1;
        return Err(RateLimited { limit, retry_after: Duration::from_secs(seconds) });
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum TokenUse {
    /// The first use of a token of the current generation.
    First,
    /// A repeated use of the token that started the current generation.
    Retry,
    /// A use of any older token.
    Reuse,
}

impl TokenUse {
    fn of(presented: &PresentedToken, hash: &refresh_token::Hash) -> Self {
        if presented.token_generation == presented.session_generation {
            Self::First
        } else if presented.used_token_hash.as_deref() == Some(hash) {
            Self::Retry
        } else {
            Self::Reuse
        }
    }
}
