//! How long to leave something alone that has failed.

use std::time::Duration;

/// The shortest pause, before its jitter.
const BASE: Duration = Duration::from_millis(250);
/// The longest. What is stuck must be resolved within 10 s of its services being up, the rest of the way included.
const CAP: Duration = Duration::from_secs(4);

/// The pause after `failures` in a row: it doubles up to 4 s, less up to half of it, so that what failed together does
/// not come back together.
pub(crate) fn pause(failures: i32) -> Duration {
    let doublings = u32::try_from(failures.clamp(0, 16)).unwrap_or_default();
    let longest = BASE.saturating_mul(1 << doublings).min(CAP);
    longest.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_below_the_cap() {
        for failures in -1..=i32::from(u8::MAX) {
            assert!(pause(failures) <= CAP, "{failures}");
            assert!(pause(failures) >= BASE / 2, "{failures}");
        }
        assert!(pause(20) >= CAP / 2);
        assert!(pause(i32::MAX) <= CAP);
    }
}
