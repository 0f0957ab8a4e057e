//! Refreshing a session.
//!
//! Each use of a refresh token makes a new generation. As long as nothing of a generation has been used, the token it
//! came from gives another of the same generation: so a client whose reply was lost, or whose repeated request
//! overtook the first one, holds a good token whichever answer it got. The first use of any of them leaves the others
//! behind. A token that was left behind can only be presented by a second bearer, and ends the session for both.

use tracing::warn;

use crate::{
    app::{App, SignedIn},
    error::Error,
    refresh_token,
    store::{self, refresh_tokens::Presented},
};

/// No token of ours is longer.
const MAX_TOKEN_BYTES: usize = 128;

/// The next tokens of a session.
pub(crate) async fn refresh(app: &App, token: &str) -> Result<SignedIn, Error> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Error::InvalidRefreshToken);
    }
    let hash = refresh_token::hash(token);
    let mut tx = app.db.begin().await?;
    let presented = store::refresh_tokens::lock(&mut tx, &hash, app.settings.refresh_ttl)
        .await?
        .ok_or(Error::InvalidRefreshToken)?;
    let session_id = presented.session_id;

    let generation = match Use::of(&presented, &hash) {
        Use::First => {
            let next = presented.generation.saturating_add(1);
            store::sessions::advance(&mut tx, session_id, next, &hash).await?;
            next
        }
        Use::Repeated => presented.generation,
        Use::LeftBehind => {
            let user_id = presented.account.id;
            store::sessions::end(&mut *tx, user_id, session_id).await?;
            tx.commit().await?;
            warn!(session.id = %session_id, user.id = %user_id,
                "Ended session {session_id} of user {user_id}: an old refresh token of it was used");
            return Err(Error::InvalidRefreshToken);
        }
    };
    let (refresh_token, hash) = refresh_token::mint();
    store::refresh_tokens::insert(&mut tx, &hash, session_id, generation).await?;
    tx.commit().await?;
    Ok(SignedIn { account: presented.account, session_id, refresh_token })
}

/// What presenting a token means.
#[derive(Debug, PartialEq, Eq)]
enum Use {
    /// Nothing of its generation was used before.
    First,
    /// It was used before, and nothing that came of it was.
    Repeated,
    /// The session went on without it.
    LeftBehind,
}

impl Use {
    fn of(presented: &Presented, hash: &refresh_token::Hash) -> Self {
        if presented.token_generation == presented.generation {
            Self::First
        } else if presented.used_token_hash.as_deref() == Some(hash) {
            Self::Repeated
        } else {
            Self::LeftBehind
        }
    }
}
