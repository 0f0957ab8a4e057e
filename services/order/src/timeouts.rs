//! How long to leave something alone: what has failed, and what may have changed.

use std::time::Duration;

use bodega_runtime::backoff::Backoff;

/// What is stuck must be resolved within 10 s of its services being up, the rest of the way included.
const FAILURES: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(3));
/// With every event of its provider lost, an order is to be paid within 8 s of the money, while somebody may be waiting.
const SOON: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(6));
/// Later it is to be within a minute.
const SELDOM: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));

/// The pause after `failures` in a row.
pub(crate) fn pause(failures: i32) -> Duration {
    FAILURES.pause(failures)
}

/// The pause before a provider is asked again that did not answer or did not do what has to be done, after `looks` at a
/// payment that is still `fresh`. What is not will hardly be done by asking again: a person has to look.
pub(crate) fn duty_pause(looks: i32, fresh: bool) -> Duration {
    if fresh { pause(looks) } else { look_pause(looks, fresh) }
}

/// The pause after `looks` that showed nothing new, at a payment that is still `fresh` or not.
pub(crate) fn look_pause(looks: i32, fresh: bool) -> Duration {
    if fresh { SOON.pause(looks) } else { SELDOM.pause(looks) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fresh_is_seen_to_soon_however_long_nobody_answered() {
        for looks in [0, 10, i32::MAX] {
            assert!(pause(looks) <= Duration::from_secs(3));
            assert!(duty_pause(looks, true) <= Duration::from_secs(3));
            assert!(look_pause(looks, true) <= Duration::from_secs(6));
        }
        assert!(duty_pause(60, false) >= Duration::from_secs(15));
        assert!(look_pause(60, false) >= Duration::from_secs(15));
    }
}
