//! How long to leave something alone: what has failed, and what may have changed.

use std::time::Duration;

use bodega_runtime::backoff::Backoff;

/// What is stuck must be resolved within 10 s of its services being up, the rest of the way included.
const FAILURES: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(4));
/// With every event of its provider lost, an order is to be paid within a minute of the money.
const LOOKS: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));
/// From so many looks on, what has to be done will hardly be done by asking again: a person has to look.
const HOPELESS: i32 = 60;

/// The pause after `failures` in a row.
pub(crate) fn pause(failures: i32) -> Duration {
    FAILURES.pause(failures)
}

/// The pause before a provider is asked again for what has to be done, after `looks` that did not do it.
pub(crate) fn duty_pause(looks: i32) -> Duration {
    if looks < HOPELESS { pause(looks) } else { look_pause(looks) }
}

/// The pause after `looks` that showed nothing new.
pub(crate) fn look_pause(looks: i32) -> Duration {
    LOOKS.pause(looks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_be_done_is_tried_often_and_at_last_less_often() {
        assert!(duty_pause(HOPELESS - 1) <= Duration::from_secs(4));
        assert!(duty_pause(HOPELESS) >= Duration::from_secs(15));
    }
}
