//! Conversion of amounts to Stripe's units.
//!
//! Stripe uses the minor units of ISO 4217, except for a few currencies: see
//! <https://docs.stripe.com/currencies>, "Zero-decimal currencies", "Three-decimal currencies" and "Special cases".

use crate::payments::provider::ProviderError;

/// Stripe's unit for a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// The minor unit of ISO 4217.
    Minor,
    /// Hundredths, although ISO 4217 has no decimals. Fractions cannot be charged.
    Hundredths,
    /// Whole units, although ISO 4217 has two decimals.
    Whole,
    /// The minor unit of ISO 4217 with three decimals, of which the last one must be 0.
    Tens,
}

impl Unit {
    fn of(currency: &str) -> Self {
        match currency {
            "ISK" | "UGX" => Self::Hundredths,
            "MGA" => Self::Whole,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => Self::Tens,
            _ => Self::Minor,
        }
    }
}

/// Converts minor units of ISO 4217 to Stripe's amount.
///
/// # Errors
/// [`ProviderError::Rejected`] if the amount would have to be rounded.
pub(super) fn to_stripe(currency: &str, minor: i64) -> Result<i64, ProviderError> {
    let amount = match Unit::of(currency) {
        Unit::Minor => Some(minor),
        Unit::Hundredths => minor.checked_mul(100),
        Unit::Whole => (minor % 100 == 0).then_some(minor / 100),
        Unit::Tens => (minor % 10 == 0).then_some(minor),
    };
    amount.ok_or_else(|| ProviderError::Rejected(format!("the amount cannot be charged in {currency}")))
}

/// Converts Stripe's amount to minor units of ISO 4217. Returns `None` if it is not a whole number of them.
pub(super) fn from_stripe(currency: &str, amount: i64) -> Option<i64> {
    match Unit::of(currency) {
        Unit::Minor | Unit::Tens => Some(amount),
        Unit::Hundredths => (amount % 100 == 0).then_some(amount / 100),
        Unit::Whole => amount.checked_mul(100),
    }
}

#[cfg(test)]
mod tests {
    use bodega_runtime::money::Currency;

    use super::*;

    /// Examples of Stripe's documentation.
    #[test]
    fn amounts_are_converted_both_ways() {
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
    fn amounts_that_would_be_rounded_are_rejected() {
        for (currency, minor) in [("KWD", 5124), ("BHD", 1), ("MGA", 550), ("ISK", i64::MAX)] {
            assert!(
                matches!(to_stripe(currency, minor), Err(ProviderError::Rejected(_))),
                "{minor} {currency}"
            );
        }
        for (currency, amount) in [("ISK", 550), ("UGX", 1), ("MGA", i64::MAX)] {
            assert_eq!(from_stripe(currency, amount), None, "{amount} {currency}");
        }
    }
}
