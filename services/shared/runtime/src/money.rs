//! Amounts of money: decimal text in requests and responses, 64-bit minor units in the code, and never floating point.

use std::{fmt, str::FromStr};

/// An ISO 4217 currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency(iso_currency::Currency);

/// The reason why a text is not a valid amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a decimal number.
    #[error("must be a decimal number")]
    NotANumber,
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// More decimals than the currency has.
    #[error("has more decimals than the currency ({0})")]
    TooManyDecimals(u32),
    /// Beyond 64 bits of minor units.
    #[error("is too large")]
    TooLarge,
}

impl Currency {
    /// Returns the three-letter code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Returns the number of decimals of the major unit: 2 for USD, 0 for JPY, 3 for KWD.
    pub fn decimals(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }

    /// Parses a decimal such as `19.99` to minor units. Exponents as in JSON (`2e1`) and trailing zeros are accepted.
    ///
    /// # Errors
    /// See [`AmountError`]. Amounts are never rounded.
    pub fn parse_amount(self, text: &str) -> Result<i64, AmountError> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                (mantissa, exponent.parse::<i32>().map_err(|_| AmountError::NotANumber)?)
            }
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let digits_only = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits_only(whole) || !digits_only(fraction) {
            return Err(AmountError::NotANumber);
        }

        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(0);
        }
        if negative {
            return Err(AmountError::Negative);
        }
        // The value is digits x 10^shift minor units.
        let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
        let shift = i64::from(exponent) + i64::from(self.decimals()) - length(fraction);
        let (digits, shift) = strip_zeros(digits, shift);
        let shift = u32::try_from(shift).map_err(|_| AmountError::TooManyDecimals(self.decimals()))?;
        let digits = digits.parse::<i64>().map_err(|_| AmountError::TooLarge)?;
        let scale = 10_i64.checked_pow(shift).ok_or(AmountError::TooLarge)?;
        digits.checked_mul(scale).ok_or(AmountError::TooLarge)
    }

    /// Formats minor units with all decimals of the currency.
    pub fn format_amount(self, minor: i64) -> String {
        let decimals = self.decimals();
        let scale = 10_u64.pow(decimals);
        let sign = if minor < 0 { "-" } else { "" };
        let minor = minor.unsigned_abs();
        match decimals {
            0 => format!("{sign}{minor}"),
            _ => {
                let width = usize::try_from(decimals).unwrap_or_default();
                format!("{sign}{}.{:0width$}", minor / scale, minor % scale)
            }
        }
    }
}

/// Removes trailing zeros from `digits` while `shift` is negative.
fn strip_zeros(mut digits: &str, mut shift: i64) -> (&str, i64) {
    while shift < 0
        && let Some(shorter) = digits.strip_suffix('0')
    {
        digits = shorter;
        shift += 1;
    }
    (digits, shift)
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        iso_currency::Currency::from_code(code)
            .map(Self)
            .ok_or_else(|| format!("unknown currency {code:?}: use an ISO 4217 code such as USD"))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn parses_amounts_exactly() {
        for (code, text, minor) in [
            ("USD", "19.99", 1999),
            ("USD", "19.9", 1990),
            ("USD", "19.990", 1999),
            ("USD", "0", 0),
            ("USD", "-0.00", 0),
            ("USD", "2e1", 2000),
            ("USD", "1.5E-1", 15),
            ("USD", "100e-4", 1),
            ("JPY", "500", 500),
            ("JPY", "500.0", 500),
            ("KWD", "1.234", 1234),
            ("USD", "92233720368547758.07", i64::MAX),
        ] {
            assert_eq!(currency(code).parse_amount(text), Ok(minor), "{text} {code}");
        }
    }

    #[test]
    fn rejects_invalid_amounts_with_the_reason() {
        for (code, text, error) in [
            ("USD", "19.999", AmountError::TooManyDecimals(2)),
            ("USD", "0.30000000000000004", AmountError::TooManyDecimals(2)),
            ("JPY", "0.5", AmountError::TooManyDecimals(0)),
            ("USD", "1e-999999999", AmountError::TooManyDecimals(2)),
            ("USD", "-0.01", AmountError::Negative),
            ("USD", "92233720368547758.08", AmountError::TooLarge),
            ("USD", "1e999999999", AmountError::TooLarge),
            ("USD", "", AmountError::NotANumber),
            ("USD", "1.", AmountError::NotANumber),
            ("USD", ".5", AmountError::NotANumber),
            ("USD", "1,5", AmountError::NotANumber),
            ("USD", "NaN", AmountError::NotANumber),
            ("USD", "+1", AmountError::NotANumber),
            ("USD", "1e", AmountError::NotANumber),
        ] {
            assert_eq!(currency(code).parse_amount(text), Err(error), "{text} {code}");
        }
    }

    proptest! {
        #[test]
        fn parses_what_it_formats(minor in 0..=i64::MAX, code in prop::sample::select(vec!["USD", "JPY", "KWD"])) {
            let currency = currency(code);
            prop_assert_eq!(currency.parse_amount(&currency.format_amount(minor)), Ok(minor));
        }

        #[test]
        fn never_panics(text in "[-+0-9.eE]{0,40}") {
            let _ = currency("USD").parse_amount(&text);
        }
    }
}
