//! The reason why a checkout was rejected. It is stored with the checkout, so that a repeated request gets the same error.

#[cfg(test)]
mod tests;

use std::fmt;

use bodega_proto::catalog::v1::InsufficientStock;
use bodega_runtime::money::Currency;
use serde::{Deserialize, Serialize};

use super::{
    pricing::{Line, PricedLines, Unpriced},
    pricing_inputs::RejectedCode,
};
use crate::orders::breakdown::Tax;

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
        /// The other parts of the total, unless the lines explain the difference.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parts: Option<Parts>,
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

/// The parts of a total beside the prices of its lines, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parts {
    pub discount_minor: i64,
    pub shipping_minor: i64,
    pub tax_minor: i64,
    pub taxes: Vec<Tax>,
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

    /// Returns a rejection if the client requires another total than that of these lines, in a store with or without rules.
    pub(crate) fn price_changed(
        expected_total_minor: Option<i64>,
        lines: &[Line],
        priced: &PricedLines,
        has_rules: bool,
    ) -> Option<Self> {
        let expected_total_minor = expected_total_minor.filter(|total| *total != priced.total_minor)?;
        let lines = lines.iter().zip(&priced.prices);
        let changed = lines.filter(|(line, price)| line.quoted_price_minor != price.price_minor);
        let difference: i128 = changed.clone().map(|(line, price)| price.increase(line)).sum();
        let is_explained = i128::from(priced.total_minor) - i128::from(expected_total_minor) == difference;
        let breakdown = &priced.breakdown;
        let parts = (has_rules && !is_explained).then(|| Parts {
            discount_minor: breakdown.discount_minor,
            shipping_minor: breakdown.shipping_minor,
            tax_minor: breakdown.tax_minor,
            taxes: breakdown.taxes.clone(),
        });
        Some(Self::PriceChanged {
            expected_total_minor,
            total_minor: priced.total_minor,
            currency: priced.currency.clone(),
            lines: changed
                .map(|(line, price)| ChangedLine {
                    product_id: line.product_id,
                    name: price.full_name(),
                    quoted_price_minor: line.quoted_price_minor,
                    price_minor: price.price_minor,
                })
                .collect(),
            parts,
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
            Self::PriceChanged { currency, lines, parts, .. } => {
                let lines = lines.iter().map(|line| {
                    let quoted = amount(line.quoted_price_minor, currency);
                    let price = amount(line.price_minor, currency);
                    let message = format!("price of {} changed from {quoted} to {price}", line.name);
                    (field(line.product_id), message)
                });
                lines.chain(parts.iter().flat_map(|parts| parts.violations(currency))).collect()
            }
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

impl Parts {
    /// Returns each part with its amount, by its name in a quote: the client knows what it was before.
    fn violations(&self, currency: &str) -> [(String, String); 3] {
        let part = |name: &str, minor| (name.to_owned(), format!("is {}", amount(minor, currency)));
        let mut tax = part("tax_total", self.tax_minor);
        if !self.taxes.is_empty() {
            let percent = |ppm: i32| f64::from(ppm) / 10_000.0;
            let rates = self.taxes.iter().map(|tax| format!("{} {} %", tax.name, percent(tax.rate_ppm)));
            tax.1 = format!("{} ({})", tax.1, rates.collect::<Vec<_>>().join(", "));
        }
        [part("discount_total", self.discount_minor), part("shipping_total", self.shipping_minor), tax]
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
