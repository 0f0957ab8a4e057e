//! How long to leave something alone that has failed, or that has shown nothing new.

use std::time::Duration;

/// Pauses that double from the shortest to the longest.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses from `shortest`, after the first failure, to `longest`.
    pub const fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest }
    }

    /// The pause after `failures` in a row; less up to half of it, so that what failed together does not come back
    /// together.
    pub fn pause(self, failures: i32) -> Duration {
        let doublings = u32::try_from(failures.clamp(0, 16)).unwrap_or_default();
        let pause = self.shortest.saturating_mul(1 << doublings).min(self.longest);
        pause.mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_between_the_bounds() {
        let backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(4));
        for failures in [i32::MIN, -1, 0, 1, 4, 5, 20, i32::MAX] {
            let pause = backoff.pause(failures);
            assert!((backoff.shortest / 2..=backoff.longest).contains(&pause), "{failures}: {pause:?}");
        }
        assert!(backoff.pause(0) <= backoff.shortest);
        assert!(backoff.pause(i32::MAX) >= backoff.longest / 2);
    }
}
