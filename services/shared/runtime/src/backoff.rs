//! Pauses between retries.

use std::time::Duration;

/// Exponential backoff with jitter: pauses double from the minimum to the maximum.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
}

impl Backoff {
    /// Pauses from `min`, after the first failure, to `max`.
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max }
    }

    /// Returns the pause after a failed attempt that followed `failures` other failed ones.
    ///
    /// The pause is up to half shorter at random, so that the retries of simultaneous failures are spread out.
    pub fn pause(self, failures: i32) -> Duration {
        let doublings = u32::try_from(failures.clamp(0, 16)).unwrap_or_default();
        let pause = self.min.saturating_mul(1 << doublings).min(self.max);
        pause.mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_between_the_minimum_and_the_maximum() {
        let backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(4));
        for failures in [i32::MIN, -1, 0, 1, 4, 5, 20, i32::MAX] {
            let pause = backoff.pause(failures);
            assert!((backoff.min / 2..=backoff.max).contains(&pause), "{failures}: {pause:?}");
        }
        assert!(backoff.pause(0) <= backoff.min);
        assert!(backoff.pause(i32::MAX) >= backoff.max / 2);
    }
}
