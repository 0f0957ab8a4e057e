//! Rates, and the two roundings: see the crate's documentation.

use serde::{Deserialize, Serialize};

use crate::Error;

const MILLION: i128 = 1_000_000;

/// A rate in parts per million, from 0 to 100 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i32")]
pub struct Rate(i32);

impl TryFrom<i32> for Rate {
    type Error = &'static str;

    fn try_from(ppm: i32) -> Result<Self, Self::Error> {
        Self::from_ppm(ppm).ok_or("a rate must be between 0 and 1000000 parts per million")
    }
}

impl Rate {
    /// Returns `None` for a negative rate and for one above 100 %.
    pub fn from_ppm(ppm: i32) -> Option<Self> {
        (0..=1_000_000).contains(&ppm).then_some(Self(ppm))
    }

    pub fn ppm(self) -> i32 {
        self.0
    }

    /// Returns this rate of `amount`.
    pub(crate) fn of(self, amount: i64) -> i64 {
        fraction(amount, i128::from(self.0), MILLION)
    }

    /// Returns the part of `amount` that is tax at this rate, if the amount includes it.
    pub(crate) fn included_in(self, amount: i64) -> i64 {
        fraction(amount, i128::from(self.0), MILLION + i128::from(self.0))
    }
}

/// Returns `amount * numerator / denominator`, rounded half up, for a fraction from 0 to 1.
pub(crate) fn fraction(amount: i64, numerator: i128, denominator: i128) -> i64 {
    debug_assert!(amount >= 0 && 0 <= numerator && numerator <= denominator && denominator > 0);
    let rounded = (2 * i128::from(amount) * numerator + denominator) / (2 * denominator);
    i64::try_from(rounded).unwrap_or(amount) // cannot exceed the amount
}

/// Divides `amount` among parts in proportion to their weights, by the largest remainder. If all weights are zero, the parts
/// count equally.
pub(crate) fn split(amount: i64, weights: &[i64]) -> Vec<i64> {
    let total: i128 = weights.iter().copied().map(i128::from).sum();
    if total == 0 {
        return if amount == 0 || weights.is_empty() {
            vec![0; weights.len()]
        } else {
            split(amount, &vec![1; weights.len()])
        };
    }
    let product = |weight: i64| i128::from(amount) * i128::from(weight);
    let mut parts: Vec<_> =
        weights.iter().map(|weight| i64::try_from(product(*weight) / total).unwrap_or(amount)).collect();
    let left = amount - parts.iter().sum::<i64>();
    let mut by_remainder: Vec<_> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|part| std::cmp::Reverse(product(weights[*part]) % total)); // stable: earlier parts first
    for part in by_remainder.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        parts[part] += 1;
    }
    parts
}

/// # Errors
/// [`Error::Overflow`].
pub(crate) fn sum(amounts: impl IntoIterator<Item = i64>) -> Result<i64, Error> {
    let sum: i128 = amounts.into_iter().map(i128::from).sum();
    i64::try_from(sum).map_err(|_| Error::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_halves_up() {
        assert_eq!(fraction(1, 1, 2), 1);
        assert_eq!(fraction(3, 1, 2), 2);
        assert_eq!(fraction(10, 149, 1000), 1);
        assert_eq!(fraction(10, 150, 1000), 2);
        assert_eq!(fraction(i64::MAX, 1, 1), i64::MAX);
        let rate = Rate::from_ppm(88_750).unwrap(); // 8.875 %
        assert_eq!((rate.of(10_000), rate.of(800)), (888, 71));
    }

    #[test]
    fn rates_are_between_0_and_100_percent() {
        assert_eq!((Rate::from_ppm(-1), Rate::from_ppm(1_000_001)), (None, None));
        assert_eq!(Rate::from_ppm(1_000_000).unwrap().of(7), 7);
        assert_eq!(Rate::from_ppm(0).unwrap().of(7), 0);
    }

    #[test]
    fn the_largest_remainders_get_what_is_left() {
        assert_eq!(split(1000, &[5397, 2250]), [706, 294]);
        assert_eq!(split(2, &[1, 1, 1]), [1, 1, 0], "of equal remainders, the earlier parts");
        assert_eq!(split(100, &[1, 2, 1]), [25, 50, 25]);
        assert_eq!(split(5, &[0, 1, 0]), [0, 5, 0]);
    }

    #[test]
    fn parts_without_weight_count_equally() {
        assert_eq!(split(3, &[0, 0]), [2, 1]);
        assert_eq!(split(0, &[0, 0]), [0, 0]);
        assert_eq!(split(3, &[]), [0_i64; 0]);
    }

    #[test]
    fn the_largest_amounts_can_be_split() {
        assert_eq!(split(i64::MAX, &[i64::MAX, i64::MAX]), [i64::MAX / 2 + 1, i64::MAX / 2]);
    }
}
