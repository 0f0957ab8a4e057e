//! How a shopper takes it when there is no answer.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};

/// One shopper in so many is mad.
const ONE_MAD_IN: usize = 4;
/// The pause of a sane shopper after the first failure; it doubles with each.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause of a sane shopper that the store did not ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The most that a shopper waits because the store asks for it.
const MOST_PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause of a mad shopper.
const MAD_PAUSE: Duration = Duration::from_millis(50);

/// How a shopper takes it when there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temper {
    /// Tries again with the same `Idempotency-Key`, later each time, and never sooner than it was told to.
    Sane,
    /// Tries again at once, without any key, and sometimes asks for the same thing twice at the same time.
    Mad,
}

impl Temper {
    /// The temper of a shopper: the numbers alone decide, so that any few in a row are a mixture.
    pub(super) fn of(number: usize) -> Self {
        if number % ONE_MAD_IN == ONE_MAD_IN - 1 { Self::Mad } else { Self::Sane }
    }

    /// How often it asks before it gives up.
    pub(super) fn tries(self) -> u32 {
        match self {
            Self::Sane => 8,
            Self::Mad => 4,
        }
    }

    /// The pause after `failures` in a row, at least 1. `asked` is the `Retry-After` of the last answer.
    ///
    /// A sane one adds a random part to what it was asked for: shoppers who failed together do not come back together.
    pub(super) fn pause(self, failures: u32, asked: Option<Duration>, jitter: &mut StdRng) -> Duration {
        match self {
            Self::Sane => {
                let doublings = failures.saturating_sub(1).min(16);
                let pause = SHORTEST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
                let asked = asked.unwrap_or_default().min(MOST_PATIENCE);
                asked + pause.mul_f64(jitter.random_range(0.5..=1.0))
            }
            Self::Mad => MAD_PAUSE.mul_f64(jitter.random_range(0.0..=1.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn one_in_four_is_mad() {
        let mad = (0..400).filter(|number| Temper::of(*number) == Temper::Mad).count();
        assert_eq!(mad, 100);
    }

    #[test]
    fn a_sane_one_waits_longer_each_time_up_to_a_bound() {
        let mut jitter = StdRng::seed_from_u64(1);
        for (failures, shortest, longest) in
            [(0, 50, 100), (1, 50, 100), (3, 200, 400), (u32::MAX, 1000, 2000)]
        {
            for _ in 0..100 {
                let pause = Temper::Sane.pause(failures, None, &mut jitter).as_millis();
                assert!((shortest..=longest).contains(&pause), "{failures}: {pause} ms");
            }
        }
    }

    #[test]
    fn a_sane_one_comes_back_no_sooner_than_it_was_told_to_and_a_mad_one_does() {
        let mut jitter = StdRng::seed_from_u64(1);
        let asked = Duration::from_secs(3);
        for failures in 1..20 {
            assert!(Temper::Sane.pause(failures, Some(asked), &mut jitter) > asked);
            assert!(Temper::Mad.pause(failures, Some(asked), &mut jitter) <= MAD_PAUSE);
        }
    }

    #[test]
    fn shoppers_who_failed_together_do_not_come_back_together() {
        let mut jitter = StdRng::seed_from_u64(1);
        let pauses: Vec<_> =
            (0..8).map(|_| Temper::Sane.pause(1, Some(Duration::from_secs(1)), &mut jitter)).collect();
        assert!(pauses.windows(2).all(|pair| pair[0] != pair[1]), "{pauses:?}");
    }
}
