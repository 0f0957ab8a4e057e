//! The current password, which users enter again for changes of their account.

use bodega_runtime::rate_limit::{RateLimiter, limits};
use uuid::Uuid;

use super::{Hasher, Verification};
use crate::error::Error;

/// Verifies the current password of a user, whose stored hash is given. Wrong ones are limited.
pub(crate) async fn verify_current(
    limiter: &RateLimiter,
    hasher: &Hasher,
    user_id: Uuid,
    stored_hash: &str,
    password: &str,
) -> Result<(), Error> {
    let attempt = [limits::CURRENT_PASSWORD.by(user_id)];
    limiter.take(&attempt).await?;
    let verified = hasher.verify(stored_hash, password).await;
    if matches!(verified, Ok(Verification::Wrong)) {
        return Err(Error::invalid("current_password", "is wrong"));
    }
    limiter.restore(&attempt).await?;
    verified.map(|_| ())
}
