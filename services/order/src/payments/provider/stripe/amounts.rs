//! Amounts as Stripe counts them.
//!
//! We count in the minor units of ISO 4217, and so does Stripe, but for a few currencies: see
//! <https://docs.stripe.com/currencies>, "Zero-decimal currencies", "Three-decimal currencies" and "Special cases".

use crate::provider::Failure;

/// How Stripe counts a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// As ISO 4217 does.
    Same,
    /// In hundredths, though ISO 4217 has no decimals and no fractions can be charged.
    Hundredths,
    /// In whole units, though ISO 4217 has two decimals.
    Whole,
    /// As ISO 4217 does, three decimals; the last of them is to be 0.
    Tens,
}

impl Unit {
    fn of(currency: &str) -> Self {
        match currency {
            "ISK" | "UGX" => Self::Hundredths,
            "MGA" => Self::Whole,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => Self::Tens,
            _ => Self::Same,
        }
    }
}

/// Stripe's amount for `minor` units of a currency of ISO 4217.
///
/// # Errors
/// [`Failure::Refused`] when there is none: nothing is rounded.
pub(super) fn to_stripe(currency: &str, minor: i64) -> Result<i64, Failure> {
    let amount = match Unit::of(currency) {
        Unit::Same => Some(minor),
        Unit::Hundredths => minor.checked_mul(100),
        Unit::Whole => (minor % 100 == 0).then_some(minor / 100),
        Unit::Tens => (minor % 10 == 0).then_some(minor),
    };
    amount.ok_or_else(|| Failure::Refused(format!("cards cannot be charged such an amount of {currency}")))
}

/// Minor units of ISO 4217 for Stripe's `amount` of a currency; `None` when it cannot be told in them.
pub(super) fn from_stripe(currency: &str, amount: i64) -> Option<i64> {
    match Unit::of(currency) {
        Unit::Same | Unit::Tens => Some(amount),
        Unit::Hundredths => (amount % 100 == 0).then_some(amount / 100),
        Unit::Whole => amount.checked_mul(100),
    }
}

#[cfg(test)]
mod tests {
    use bodega_runtime::money::Currency;

    use super::*;

    /// What Stripe takes for an amount as people write it, by its documentation.
    #[test]
    fn amounts_are_counted_as_stripe_counts_them() {
        for (currency, text, amount) in [
            ("USD", "10", 1000),
            ("EUR", "19.99", 1999),
            ("HUF", "10.45", 1045),
            ("TWD", "800.45", 80045),
            ("JPY", "500", 500),
            ("KRW", "500", 500),
            ("XAF", "500", 500),
            ("ISK", "5", 500),
            ("UGX", "5", 500),
            ("MGA", "5", 5),
            ("KWD", "5.12", 5120),
            ("TND", "5.130", 5130),
        ] {
            let minor = currency.parse::<Currency>().unwrap().parse_amount(text).unwrap();
            assert_eq!(to_stripe(currency, minor), Ok(amount), "{text} {currency}");
            assert_eq!(from_stripe(currency, amount), Some(minor), "{text} {currency}");
        }
    }

    #[test]
    fn what_stripe_cannot_count_is_refused_and_not_rounded() {
        for (currency, minor) in [("KWD", 5124), ("BHD", 1), ("MGA", 550), ("ISK", i64::MAX)] {
            assert!(matches!(to_stripe(currency, minor), Err(Failure::Refused(_))), "{minor} {currency}");
        }
        for (currency, amount) in [("ISK", 550), ("UGX", 1), ("MGA", i64::MAX)] {
            assert_eq!(from_stripe(currency, amount), None, "{amount} {currency}");
        }
    }
}
