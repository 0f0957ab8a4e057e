//! Refreshing a session, with detection of reused refresh tokens.
//!
//! The refresh tokens of a session have generations. The first use of a token starts a new generation. While no token
//! of the new generation has been used, the previous token can be used again and gives another token of the same
//! generation: a client whose response was lost, or whose concurrent retry was faster, keeps its session. The use of
//! any older token ends the session: it is a sign of theft, because two clients use the session.

use std::time::Duration;

use bodega_runtime::database::Pool;
use tracing::warn;

use super::{
    db::{self, refresh_tokens::PresentedToken},
    refresh_token,
    revocations::Revocations,
    start_session::IssuedSession,
};
use crate::error::Error;

/// No refresh token is longer.
const MAX_TOKEN_BYTES: usize = 128;

/// Issues the next refresh token of a session, which must have been used within `ttl`.
pub(crate) async fn refresh(
    db: &Pool,
    revocations: &Revocations,
    ttl: Duration,
    token: &str,
) -> Result<IssuedSession, Error> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Error::InvalidRefreshToken);
    }
    let hash = refresh_token::hash(token);
    let mut transaction = db.begin().await?;
    let presented =
        db::refresh_tokens::lock(&mut transaction, &hash, ttl).await?.ok_or(Error::InvalidRefreshToken)?;
    let session_id = presented.session_id;

    let generation = match TokenUse::of(&presented, &hash) {
        TokenUse::First => {
            let next = presented.session_generation.saturating_add(1);
            db::sessions::advance(&mut transaction, session_id, next, &hash).await?;
            next
        }
        TokenUse::Retry => presented.session_generation,
        TokenUse::Reuse => {
            let user_id = presented.user.id;
            db::sessions::end(&mut *transaction, user_id, session_id).await?;
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
    Ok(IssuedSession { id: session_id, user, refresh_token, second_factor_at })
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
