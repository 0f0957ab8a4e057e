//! Ids of Stripe's shape.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::distr::{Alphanumeric, SampleString as _};

/// An id such as `pi_3MtwBwLkdIwHu7ix28a3tqPa`: never the same twice, also not in another process.
pub(crate) fn new(prefix: &str) -> String {
    format!("{prefix}_3{}", random(23))
}

/// So many letters and digits.
pub(crate) fn random(length: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), length)
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
