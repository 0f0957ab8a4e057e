//! Verification of bcrypt hashes that were imported from another system.
//!
//! bcrypt hashes the first 72 bytes of a password, and ends it with a NUL if it is shorter.

use std::time::{Duration, Instant};

use anyhow::anyhow;

/// The accepted variants; `$2x$` marks hashes of a broken implementation.
const PREFIXES: [&str; 3] = ["$2a$", "$2b$", "$2y$"];
/// Passwords of more bytes may have been truncated when they were hashed.
const MAX_WHOLE_BYTES: usize = 71;
/// The cost of the hash that is measured: two milliseconds.
const MEASURED_COST: u32 = 5;
/// A call has two seconds, and a hash that takes longer cannot be hidden in them.
const MAX_HIDDEN: Duration = Duration::from_secs(1);

pub(super) fn is_one(stored: &str) -> bool {
    PREFIXES.iter().any(|prefix| stored.starts_with(prefix))
}

/// Returns whether the password, or its first 72 bytes, match. No password with a NUL does: bcrypt would take what follows for
/// a repetition.
pub(super) fn matches(stored: &str, password: &str) -> anyhow::Result<bool> {
    let matches =
        bcrypt::verify(password, stored).map_err(|error| anyhow!("invalid stored hash: {error}"))?;
    Ok(matches && !password.contains('\0'))
}

/// Returns whether passwords with another end match too. Such a hash is never replaced by one of what was typed, because the
/// user's own password may end differently.
pub(super) fn ignores_end_of(stored: &str, password: &str) -> bool {
    is_one(stored) && password.len() > MAX_WHOLE_BYTES
}

/// Estimates the time that hardly any verification of this cost exceeds, see [`with_margin`].
pub(super) fn max_duration(cost: u32) -> anyhow::Result<Duration> {
    let start = Instant::now();
    bcrypt::hash("password", MEASURED_COST)?;
    let factor = 2_f64.powi(i32::try_from(cost)? - i32::try_from(MEASURED_COST)?);
    Ok(with_margin(start.elapsed().mul_f64(factor)))
}

/// Returns the time that hardly any verification exceeds if one took `duration`, limited to [`MAX_HIDDEN`].
pub(super) fn with_margin(duration: Duration) -> Duration {
    duration.mul_f64(1.5).min(MAX_HIDDEN)
}
