//! The rejection of a client that exceeds a limit.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::Limit;
use crate::status;

/// Reason of the status.
const REASON: &str = "rate_limited";

/// A limit is exhausted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts, try again in {} s", .retry_after.as_secs())]
pub struct RateLimited {
    /// The exhausted limit.
    pub limit: Limit,
    /// Time until a use is restored, in whole seconds.
    pub retry_after: Duration,
}

/// Why no use was taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A limit is exhausted.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The uses could not be counted.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<RateLimited> for Status {
    fn from(limited: RateLimited) -> Self {
        let RateLimited { limit, retry_after } = limited;
        let metadata = HashMap::from([
            ("limit".to_owned(), limit.name.to_owned()),
            ("quota".to_owned(), limit.burst.to_string()),
            ("window".to_owned(), limit.period().as_secs().to_string()),
        ]);
        let mut details = ErrorDetails::with_error_info(REASON, status::DOMAIN, metadata);
        details.set_retry_info(Some(retry_after));
        Status::with_error_details(Code::ResourceExhausted, limited.to_string(), details)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::RateLimited(limited) => limited.into(),
            Error::Database(error) => status::database(&error),
        }
    }
}

/// The policy of a rate-limited call, for the response headers `RateLimit-Policy` and `RateLimit`
/// (draft-ietf-httpapi-ratelimit-headers).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name of the limit.
    pub limit: String,
    /// Uses per `window`.
    pub quota: u32,
    /// Seconds.
    pub window: u64,
}

impl Policy {
    /// Returns the policy that a call has exceeded, or `None` if the call was not rate limited.
    pub fn of(status: &Status) -> Option<Self> {
        let info = status.get_details_error_info().filter(|info| info.reason == REASON)?;
        Some(Self {
            limit: info.metadata.get("limit")?.clone(),
            quota: info.metadata.get("quota")?.parse().ok()?,
            window: info.metadata.get("window")?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::limits::LOGIN;

    #[test]
    fn the_status_carries_policy_and_delay() {
        let retry_after = Duration::from_secs(7);
        let status = Status::from(RateLimited { limit: LOGIN, retry_after });
        assert_eq!((status.code(), status::reason(&status).as_str()), (Code::ResourceExhausted, REASON));
        assert_eq!(status.message(), "too many attempts, try again in 7 s");
        assert_eq!(status.get_details_retry_info().and_then(|info| info.retry_delay), Some(retry_after));
        let policy = Policy { limit: "login".to_owned(), quota: 14, window: 14 * 45 * 60 };
        assert_eq!(Policy::of(&status), Some(policy));
        assert_eq!(Policy::of(&Status::resource_exhausted("")), None);
    }
}
