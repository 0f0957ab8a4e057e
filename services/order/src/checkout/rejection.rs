//! The reason why a checkout was rejected. It is stored with the checkout, so that a repeated request gets the same error.

use std::fmt;

use bodega_proto::catalog::v1::InsufficientStock;
use bodega_runtime::money::Currency;
use serde::{Deserialize, Serialize};

use super::{
    pricing::{Line, PricedLines, Unpriced},
    pricing_inputs::RejectedCode,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub(crate) enum Rejection {
    OutOfStock {
        lines: Vec<ShortLine>,
    },
    /// The total differs from the one that the client requires.
    PriceChanged {
        expected_total_minor: i64,
        total_minor: i64,
        currency: String,
        /// The lines whose price is not the one that the cart showed.
        lines: Vec<ChangedLine>,
    },
    /// Discount codes that do not work.
    DiscountRejected {
        codes: Vec<RejectedCode>,
    },
    /// The store requires more of the form.
    ShippingRequired {
        /// Fields of the form, by their protobuf names.
        missing: Vec<String>,
    },
    /// The shipping method does not ship these items to this place.
    ShippingUnavailable,
    /// The checkout could not be completed.
    Withdrawn,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShortLine {
    pub product_id: i32,
    /// Empty if the product does not exist.
    pub name: String,
    pub requested: i32,
    pub available: i32,
}

/// Prices are of one unit, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangedLine {
    pub product_id: i32,
    pub name: String,
    pub quoted_price_minor: i64,
    pub price_minor: i64,
}

impl Rejection {
    /// All codes of [`Rejection::code`].
    pub(crate) const CODES: [&'static str; 6] = [
        "out_of_stock",
        "price_changed",
        "discount_rejected",
        "shipping_required",
        "shipping_unavailable",
        "order_withdrawn",
    ];

    pub(crate) fn out_of_stock(insufficient: InsufficientStock) -> Self {
        let lines = insufficient.lines.into_iter().map(|line| ShortLine {
            product_id: line.product_id,
            name: line.name,
            requested: line.requested,
            available: line.available,
        });
        Self::OutOfStock { lines: lines.collect() }
    }

    /// Returns the rejection of a checkout without a total.
    pub(crate) fn unpriced(error: Unpriced) -> Self {
        match error {
            Unpriced::Invalid => Self::Withdrawn,
            Unpriced::ShippingRequired(missing) => {
                Self::ShippingRequired { missing: missing.into_iter().map(str::to_owned).collect() }
            }
            Unpriced::ShippingUnavailable => Self::ShippingUnavailable,
            Unpriced::DiscountRejected(codes) => Self::DiscountRejected { codes },
        }
    }

    /// Returns a rejection if the client requires another total.
    pub(crate) fn price_changed(
        expected_total_minor: Option<i64>,
        lines: &[Line],
        priced: &PricedLines,
    ) -> Option<Self> {
        let expected_total_minor = expected_total_minor.filter(|total| *total != priced.total_minor)?;
        let lines = lines.iter().zip(&priced.prices);
        let changed = lines.filter(|(line, price)| line.quoted_price_minor != price.price_minor);
        Some(Self::PriceChanged {
            expected_total_minor,
            total_minor: priced.total_minor,
            currency: priced.currency.clone(),
            lines: changed
                .map(|(line, price)| ChangedLine {
                    product_id: line.product_id,
                    name: price.name.clone(),
                    quoted_price_minor: line.quoted_price_minor,
                    price_minor: price.price_minor,
                })
                .collect(),
        })
    }

    /// Returns the error's code for clients.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::OutOfStock { .. } => "out_of_stock",
            Self::PriceChanged { .. } => "price_changed",
            Self::DiscountRejected { .. } => "discount_rejected",
            Self::ShippingRequired { .. } => "shipping_required",
            Self::ShippingUnavailable => "shipping_unavailable",
            Self::Withdrawn => "order_withdrawn",
        }
    }

    /// Returns whether the form is at fault, whatever the state of the store is.
    pub(crate) fn is_about_the_form(&self) -> bool {
        matches!(self, Self::ShippingRequired { .. })
    }

    /// Returns the affected lines, each as a field and its message.
    pub(crate) fn violations(&self) -> Vec<(String, String)> {
        let field = |product_id: i32| format!("products[{product_id}]");
        match self {
            Self::OutOfStock { lines } => {
                lines.iter().map(|line| (field(line.product_id), line.to_string())).collect()
            }
            Self::PriceChanged { currency, lines, .. } => lines
                .iter()
                .map(|line| {
                    let quoted = amount(line.quoted_price_minor, currency);
                    let price = amount(line.price_minor, currency);
                    let message = format!("price of {} changed from {quoted} to {price}", line.name);
                    (field(line.product_id), message)
                })
                .collect(),
            Self::DiscountRejected { codes } => codes
                .iter()
                .map(|rejected| {
                    ("discount_codes".to_owned(), format!("{}: {}", rejected.code, rejected.reason))
                })
                .collect(),
            Self::ShippingRequired { missing } => {
                missing.iter().map(|field| (field.clone(), "is required".to_owned())).collect()
            }
            Self::ShippingUnavailable => {
                let message = "does not ship these products to this address";
                vec![("shipping_method".to_owned(), message.to_owned())]
            }
            Self::Withdrawn => Vec::new(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfStock { lines } => {
                let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
                write!(f, "insufficient stock: {}", lines.join("; "))
            }
            Self::PriceChanged { expected_total_minor, total_minor, currency, .. } => {
                let total = amount(*total_minor, currency);
                let expected = amount(*expected_total_minor, currency);
                write!(f, "total is {total}, expected {expected}")
            }
            Self::DiscountRejected { codes } => {
                let codes = codes.iter().map(|rejected| format!("{}: {}", rejected.code, rejected.reason));
                write!(f, "discount code rejected: {}", codes.collect::<Vec<_>>().join(", "))
            }
            Self::ShippingRequired { missing } => write!(f, "{} required", missing.join(", ")),
            Self::ShippingUnavailable => {
                f.write_str("shipping method does not ship these products to this address")
            }
            Self::Withdrawn => f.write_str("order could not be placed and was withdrawn, place it again"),
        }
    }
}

impl fmt::Display for ShortLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product_id, name, requested, available } = self;
        match (name.as_str(), available) {
            ("", _) => write!(f, "product {product_id} does not exist"),
            (name, 0) => write!(f, "none left of {name}, {requested} requested"),
            (name, available) => write!(f, "only {available} left of {name}, {requested} requested"),
        }
    }
}

/// Formats an amount as `12.00 USD`.
fn amount(minor: i64, currency: &str) -> String {
    match currency.parse::<Currency>() {
        Ok(currency) => format!("{} {currency}", currency.format_amount(minor)),
        Err(_) => format!("{minor} minor units of {currency}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkout::{pricing::Price, pricing_inputs::CodeRejection};

    /// Cart lines of 10.00 and 5.00, of which the first costs 12.00 by now.
    fn price_changed(expected_total_minor: Option<i64>) -> Option<Rejection> {
        let line = |product_id, quoted_price_minor| Line { product_id, quantity: 1, quoted_price_minor };
        let price =
            |name: &str, price_minor| Price { name: name.to_owned(), price_minor, ..Price::default() };
        let priced = PricedLines {
            prices: vec![price("Mug", 1200), price("Pen", 500)],
            total_minor: 1700,
            currency: "USD".to_owned(),
            ..PricedLines::default()
        };
        Rejection::price_changed(expected_total_minor, &[line(1, 1000), line(2, 500)], &priced)
    }

    #[test]
    fn an_unexpected_total_names_only_the_changed_lines() {
        let rejection = price_changed(Some(1500)).unwrap();
        assert_eq!(rejection.to_string(), "total is 17.00 USD, expected 15.00 USD");
        let expected =
            ("products[1]".to_owned(), "price of Mug changed from 10.00 USD to 12.00 USD".to_owned());
        assert_eq!(rejection.violations(), [expected]);
    }

    #[test]
    fn price_changes_are_accepted_unless_the_client_expects_another_total() {
        assert_eq!(price_changed(None), None);
        assert_eq!(price_changed(Some(1700)), None);
    }

    #[test]
    fn short_lines_name_the_available_quantity() {
        let line = |name: &str, available| ShortLine {
            product_id: 7,
            name: name.to_owned(),
            requested: 3,
            available,
        };
        assert_eq!(line("Mug", 1).to_string(), "only 1 left of Mug, 3 requested");
        assert_eq!(line("Mug", 0).to_string(), "none left of Mug, 3 requested");
        assert_eq!(line("", 0).to_string(), "product 7 does not exist");
    }

    #[test]
    fn names_codes_and_missing_fields() {
        let codes = vec![RejectedCode { code: "SPRING".to_owned(), reason: CodeRejection::Exhausted }];
        let rejection = Rejection::DiscountRejected { codes };
        assert_eq!(rejection.to_string(), "discount code rejected: SPRING: exhausted");
        assert_eq!(rejection.violations(), [("discount_codes".to_owned(), "SPRING: exhausted".to_owned())]);
        let missing = vec!["shipping_address".to_owned(), "shipping_method".to_owned()];
        let rejection = Rejection::ShippingRequired { missing };
        assert_eq!(rejection.to_string(), "shipping_address, shipping_method required");
        assert_eq!(rejection.violations().len(), 2);
    }

    #[test]
    fn rejections_survive_serialization() {
        let short = ShortLine { product_id: 7, name: "Mug".to_owned(), requested: 3, available: 1 };
        let price = price_changed(Some(1)).unwrap();
        let code = RejectedCode { code: "SPRING".to_owned(), reason: CodeRejection::NotYet };
        for rejection in [
            Rejection::OutOfStock { lines: vec![short] },
            price,
            Rejection::DiscountRejected { codes: vec![code] },
            Rejection::ShippingRequired { missing: vec!["shipping_address".to_owned()] },
            Rejection::ShippingUnavailable,
            Rejection::Withdrawn,
        ] {
            assert!(Rejection::CODES.contains(&rejection.code()));
            let json = serde_json::to_string(&rejection).unwrap();
            assert_eq!(serde_json::from_str::<Rejection>(&json).unwrap(), rejection);
        }
    }
}
