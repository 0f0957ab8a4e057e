//! How a client retries failed requests.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};

/// One client in this many is aggressive.
const AGGRESSIVE_SHARE: usize = 4;
/// The first pause with backoff; each failure doubles it up to the maximum.
const MIN_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(2);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(10);
const MAX_AGGRESSIVE_PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryProfile {
    /// Retries with the same `Idempotency-Key`, with exponential backoff, and not before `Retry-After`.
    Backoff,
    /// Retries almost at once without a key, and sometimes sends the same request twice at the same time.
    Aggressive,
}

impl RetryProfile {
    /// Depends on the client's number only, so that a few consecutive clients are a mixture.
    pub(super) fn of(number: usize) -> Self {
        if number % AGGRESSIVE_SHARE == AGGRESSIVE_SHARE - 1 { Self::Aggressive } else { Self::Backoff }
    }

    pub(super) fn attempts(self) -> u32 {
        match self {
            Self::Backoff => 8,
            Self::Aggressive => 4,
        }
    }

    /// Returns the pause after this number of consecutive failures. Jitter is added to `Retry-After` as well, so that
    /// clients that failed together do not retry together.
    pub(super) fn pause(self, failures: u32, retry_after: Option<Duration>, jitter: &mut StdRng) -> Duration {
        match self {
            Self::Backoff => {
                let doublings = failures.saturating_sub(1).min(16);
                let backoff = MIN_BACKOFF.saturating_mul(1 << doublings).min(MAX_BACKOFF);
                let retry_after = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
                retry_after + backoff.mul_f64(jitter.random_range(0.5..=1.0))
            }
            Self::Aggressive => MAX_AGGRESSIVE_PAUSE.mul_f64(jitter.random_range(0.0..=1.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn one_client_in_four_is_aggressive() {
        let aggressive = (0..400).filter(|number| RetryProfile::of(*number) == RetryProfile::Aggressive);
        assert_eq!(aggressive.count(), 100);
    }

    #[test]
    fn backoff_grows_up_to_a_maximum() {
        let mut jitter = StdRng::seed_from_u64(1);
        for (failures, shortest, longest) in
            [(0, 50, 100), (1, 50, 100), (3, 200, 400), (u32::MAX, 1000, 2000)]
        {
            for _ in 0..100 {
                let pause = RetryProfile::Backoff.pause(failures, None, &mut jitter).as_millis();
                assert!((shortest..=longest).contains(&pause), "{failures}: {pause} ms");
            }
        }
    }

    #[test]
    fn backoff_respects_retry_after_and_aggressive_does_not() {
        let mut jitter = StdRng::seed_from_u64(1);
        let retry_after = Duration::from_secs(3);
        for failures in 1..20 {
            let pause = RetryProfile::Backoff.pause(failures, Some(retry_after), &mut jitter);
            assert!(pause > retry_after);
            let pause = RetryProfile::Aggressive.pause(failures, Some(retry_after), &mut jitter);
            assert!(pause <= MAX_AGGRESSIVE_PAUSE);
        }
    }

    #[test]
    fn clients_that_failed_together_do_not_retry_together() {
        let mut jitter = StdRng::seed_from_u64(1);
        let retry_after = Some(Duration::from_secs(1));
        let pauses: Vec<_> =
            (0..8).map(|_| RetryProfile::Backoff.pause(1, retry_after, &mut jitter)).collect();
        assert!(pauses.windows(2).all(|pair| pair[0] != pair[1]), "{pauses:?}");
    }
}
