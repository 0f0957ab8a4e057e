//! Money as JSON: a decimal number in major units, never a binary floating-point number.

use std::borrow::Cow;

use bodega_runtime::money::Currency;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::value::RawValue;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, schema::Type},
};

use crate::problem::Problem;

/// An amount in a response: `19.99`, with all the decimals of its currency.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Amount(Box<RawValue>);

impl Amount {
    /// Formats `minor` units of a currency, given by its ISO 4217 code.
    pub(crate) fn new(minor: i64, currency: &str) -> Self {
        let text = match currency.parse::<Currency>() {
            Ok(currency) => currency.format_amount(minor),
            // Only an empty cart has no currency, and its total is 0 in any currency.
            Err(_) => minor.to_string(),
        };
        // Digits with a decimal point are valid JSON.
        Self(RawValue::from_string(text).unwrap_or_default())
    }
}

impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        number().into()
    }
}

impl ToSchema for Amount {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Amount")
    }
}

/// An amount in a request: a number, or a string for clients whose numbers are binary.
#[derive(Clone, Debug)]
pub(crate) struct AmountInput(String);

impl AmountInput {
    /// The amount in minor units.
    ///
    /// # Errors
    /// 422 `invalid_field` for `field`.
    pub(crate) fn minor(&self, currency: Currency, field: &str) -> Result<i64, Problem> {
        currency.parse_amount(&self.0).map_err(|error| Problem::invalid(field, error))
    }

    /// The number as the client has written it.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// A whole number that is not an amount of money, such as grams.
    ///
    /// # Errors
    /// 422 `invalid_field` for `field`.
    pub(crate) fn whole(&self, field: &str) -> Result<i64, Problem> {
        self.0.parse().map_err(|_| Problem::invalid(field, "must be a whole number"))
    }
}

impl<'de> Deserialize<'de> for AmountInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let text = json.get();
        if text.starts_with('"') {
            serde_json::from_str(text).map(Self).map_err(D::Error::custom)
        } else if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(D::Error::custom("expected an amount such as 19.99"))
        }
    }
}

impl PartialSchema for AmountInput {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^\d+(\.\d+)?$"));
        OneOfBuilder::new()
            .description(Some("An amount in major units of the currency, as a number or a string."))
            .item(number())
            .item(text)
            .examples([19.99])
            .into()
    }
}

impl ToSchema for AmountInput {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("AmountInput")
    }
}

fn number() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(0))
        .description(Some("An amount in major units of the currency, for example 19.99."))
        .examples([19.99])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_all_decimals_of_the_currency() {
        let text = |minor, currency| serde_json::to_string(&Amount::new(minor, currency)).unwrap();
        assert_eq!(text(1990, "USD"), "19.90");
        assert_eq!(text(500, "JPY"), "500");
        assert_eq!(text(i64::MAX, "USD"), "92233720368547758.07");
    }

    #[test]
    fn reads_numbers_and_strings() {
        let usd: Currency = "USD".parse().unwrap();
        let minor =
            |json| serde_json::from_str::<AmountInput>(json).map(|amount| amount.minor(usd, "price").ok());
        assert_eq!(minor("19.99").unwrap(), Some(1999));
        assert_eq!(minor("\"19.99\"").unwrap(), Some(1999));
        assert_eq!(minor("19.999").unwrap(), None);
        assert!(minor("true").is_err() && minor("null").is_err() && minor("[1]").is_err());
    }
}
