//! Percentages as JSON: a decimal number such as 8.875, with at most 4 decimals, never a binary floating-point number.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, schema::Type},
};

use super::AmountInput;
use crate::problem::Problem;

/// Parts per million of one percent.
const PPM: i32 = 10_000;
const DECIMALS: usize = 4;

/// A percentage in a response.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Percentage(Box<RawValue>);

impl Percentage {
    /// Formats parts per million, without trailing zeros.
    pub(crate) fn new(ppm: i32) -> Self {
        let decimals = format!("{:04}", ppm % PPM);
        let text = match decimals.trim_end_matches('0') {
            "" => (ppm / PPM).to_string(),
            decimals => format!("{}.{decimals}", ppm / PPM),
        };
        // Digits with a decimal point are valid JSON.
        Self(RawValue::from_string(text).unwrap_or_default())
    }
}

/// A percentage in a request, from 0 to 100: a number, or a string for clients whose numbers are binary.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct PercentageInput(AmountInput);

impl PercentageInput {
    /// The percentage in parts per million.
    ///
    /// # Errors
    /// 422 `invalid_field` for `field`.
    pub(crate) fn ppm(&self, field: &str) -> Result<i32, Problem> {
        let message = "must be a decimal number from 0 to 100 with at most 4 decimals";
        parse(self.0.text()).ok_or_else(|| Problem::invalid(field, message))
    }
}

fn parse(text: &str) -> Option<i32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = is_number(fraction).then(|| fraction.trim_end_matches('0'))?;
    if !is_number(whole) || whole.len() > 3 || fraction.len() > DECIMALS {
        return None;
    }
    let ppm = format!("{whole}{fraction:0<DECIMALS$}").parse::<i32>().ok()?;
    (ppm <= 100 * PPM).then_some(ppm)
}

impl PartialSchema for Percentage {
    fn schema() -> RefOr<Schema> {
        number().into()
    }
}

impl ToSchema for Percentage {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Percentage")
    }
}

impl PartialSchema for PercentageInput {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^\d{1,3}(\.\d{1,4})?$"));
        OneOfBuilder::new()
            .description(Some("A percentage from 0 to 100 with at most 4 decimals, as a number or a string."))
            .item(number())
            .item(text)
            .examples([8.875])
            .into()
    }
}

impl ToSchema for PercentageInput {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("PercentageInput")
    }
}

fn number() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(0))
        .maximum(Some(100))
        .description(Some("A percentage, for example 8.875."))
        .examples([8.875])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_decimals_that_are_needed() {
        let text = |ppm| serde_json::to_string(&Percentage::new(ppm)).unwrap();
        for (ppm, expected) in
            [(0, "0"), (190_000, "19"), (88_750, "8.875"), (1, "0.0001"), (1_000_000, "100")]
        {
            assert_eq!(text(ppm), expected);
        }
    }

    #[test]
    fn reads_numbers_and_strings_of_at_most_100_percent() {
        let ppm = |json| serde_json::from_str::<PercentageInput>(json).unwrap().ppm("percentage").ok();
        for (json, expected) in [
            ("19", Some(190_000)),
            ("8.875", Some(88_750)),
            ("\"8.8750\"", Some(88_750)),
            ("0", Some(0)),
            ("100.0", Some(1_000_000)),
            ("0.00001", None),
            ("100.0001", None),
            ("-1", None),
            ("1e1", None),
            ("\"\"", None),
            ("\"1.\"", None),
            ("\"1000\"", None),
        ] {
            assert_eq!(ppm(json), expected, "{json}");
        }
    }
}
