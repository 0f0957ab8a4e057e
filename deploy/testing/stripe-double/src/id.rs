//! Ids in Stripe's format.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::distr::{Alphanumeric, SampleString as _};

/// Returns a unique id such as `pi_3MtwBwLkdIwHu7ix28a3tqPa`.
pub(crate) fn new(prefix: &str) -> String {
    format!("{prefix}_3{}", random(23))
}

/// Returns random letters and digits.
pub(crate) fn random(length: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), length)
}

/// The current time in Unix seconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
