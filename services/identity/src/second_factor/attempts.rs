//! The limit of wrong codes.

use bodega_runtime::{
    context::CallContext,
    database::Pool,
    rate_limit::{RateLimiter, limits},
};
use tracing::warn;
use uuid::Uuid;

use crate::{error::Error, sessions};

/// Runs `work`, which verifies a code of a user: an attempt, which is restored unless the code was wrong. A client that the
/// account recognizes has attempts of its own, so that others who know the password do not lock the owner out.
pub(super) async fn limit_attempts<T>(
    db: &Pool,
    limiter: &RateLimiter,
    user_id: Uuid,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let network = CallContext::client_network().map(|network| network.to_string()).unwrap_or_default();
    let attempt = if sessions::db::recognized_clients::exists(db, user_id, &network).await? {
        [limits::SECOND_FACTOR.by(format_args!("{user_id} {network}"))]
    } else {
        [limits::SECOND_FACTOR.by(user_id)]
    };
    limiter.take(&attempt).await?;
    let result = work.await;
    if !matches!(result, Err(Error::InvalidCode))
        && let Err(error) = limiter.restore(&attempt).await
    {
        warn!("attempt to enter a code not restored, it counts as a wrong code: {error}");
    }
    result
}
