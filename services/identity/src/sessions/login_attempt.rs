//! Limits of guessing passwords. The numbers are in [`limits`].
//!
//! An attempt is counted before the password is verified, and restored if it was not wrong: so concurrent guesses cannot
//! exceed a limit. Attempts from a client that the account recognizes are counted for themselves, so that guesses from other
//! clients never lock the owner out. Logins are counted as they are typed, whether or not an account has them: neither the
//! responses nor their times reveal which logins exist.

use bodega_runtime::{
    client_address::ClientNetwork,
    context::CallContext,
    database::Pool,
    rate_limit::{RateLimiter, Use, limits},
};
use tracing::warn;

use super::db;
use crate::error::Error;

/// A counted attempt to log in.
pub(super) struct LoginAttempt<'a> {
    limiter: &'a RateLimiter,
    uses: Vec<Use>,
}

impl<'a> LoginAttempt<'a> {
    /// Counts an attempt with a normalized login.
    ///
    /// # Errors
    /// [`Error::RateLimit`] if a limit is exhausted.
    pub(super) async fn begin(db: &Pool, limiter: &'a RateLimiter, login: &str) -> Result<Self, Error> {
        let uses = match CallContext::client_network() {
            _ if !limiter.limits().are_on() => Vec::new(),
            None => vec![limits::LOGIN.by(login)],
            Some(network) => uses_by(db, login, network).await?,
        };
        limiter.take(&uses).await?;
        Ok(Self { limiter, uses })
    }

    /// Restores the attempt: the password was right, or was not verified.
    pub(super) async fn restore(self) {
        if let Err(error) = self.limiter.restore(&self.uses).await {
            warn!("attempt to log in not restored, it counts as a wrong password: {error}");
        }
    }
}

async fn uses_by(db: &Pool, login: &str, network: ClientNetwork) -> Result<Vec<Use>, Error> {
    let network = network.to_string();
    Ok(match db::recognized_clients::find(db, login, &network).await? {
        Some(user_id) => vec![limits::LOGIN_RECOGNIZED.by(format_args!("{user_id} {network}"))],
        None => vec![
            limits::LOGIN_BY_CLIENT.by(format_args!("{network} {login}")),
            limits::LOGIN_CLIENT.by(network),
            limits::LOGIN.by(login),
        ],
    })
}
