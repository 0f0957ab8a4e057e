//! Why an attempt was rejected: kept with it, so that its key is answered the same again.

use std::fmt;

use bodega_proto::catalog::v1::InsufficientStock;
use bodega_runtime::money::Currency;
use serde::{Deserialize, Serialize};

use crate::order::{Attempt, Priced};

/// Why an attempt was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub(crate) enum Rejection {
    /// There was too little in stock.
    OutOfStock {
        /// The short lines, by product id.
        lines: Vec<ShortLine>,
    },
    /// The total was another than its shopper insisted on.
    PriceChanged {
        /// What the shopper insisted on, in minor units.
        expected_total_minor: i64,
        /// What it was, in minor units.
        total_minor: i64,
        /// ISO 4217.
        currency: String,
        /// The lines whose price is not the one that the cart showed.
        lines: Vec<ChangedLine>,
    },
    /// It could not be brought to an end, and was undone.
    Withdrawn,
}

/// A line of which there was too little.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShortLine {
    pub product_id: i32,
    /// Empty when there is no such product.
    pub name: String,
    pub wanted: i32,
    pub left: i32,
}

/// A line whose price changed. Prices are of one unit, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangedLine {
    pub product_id: i32,
    pub name: String,
    pub quoted_price_minor: i64,
    pub price_minor: i64,
}

impl Rejection {
    /// The catalog's rejection.
    pub(crate) fn short(short: InsufficientStock) -> Self {
        let lines = short.lines.into_iter().map(|line| ShortLine {
            product_id: line.product_id,
            name: line.name,
            wanted: line.requested,
            left: line.available,
        });
        Self::OutOfStock { lines: lines.collect() }
    }

    /// The shopper's own, when the attempt's total is not the one that was insisted on.
    pub(crate) fn of_price(attempt: &Attempt, priced: &Priced) -> Option<Self> {
        let expected_total_minor = attempt.expected_total_minor?;
        if expected_total_minor == priced.total_minor {
            return None;
        }
        let lines = attempt.lines.iter().zip(&priced.prices);
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

    /// The stable word for it.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::OutOfStock { .. } => "out_of_stock",
            Self::PriceChanged { .. } => "price_changed",
            Self::Withdrawn => "order_withdrawn",
        }
    }

    /// Each line it is about, and what is wrong with it.
    pub(crate) fn violations(&self) -> Vec<(String, String)> {
        let field = |product_id: i32| format!("products[{product_id}]");
        match self {
            Self::OutOfStock { lines } => {
                lines.iter().map(|line| (field(line.product_id), line.to_string())).collect()
            }
            Self::PriceChanged { currency, lines, .. } => lines
                .iter()
                .map(|line| {
                    let (now, seen) =
                        (amount(line.price_minor, currency), amount(line.quoted_price_minor, currency));
                    (field(line.product_id), format!("{} costs {now} now, not {seen}", line.name))
                })
                .collect(),
            Self::Withdrawn => Vec::new(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfStock { lines } => {
                let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
                write!(f, "there is not enough in stock: {}", lines.join("; "))
            }
            Self::PriceChanged { expected_total_minor, total_minor, currency, .. } => {
                let (now, expected) =
                    (amount(*total_minor, currency), amount(*expected_total_minor, currency));
                write!(f, "the total is {now} now, not {expected}")
            }
            Self::Withdrawn => f.write_str("the order could not be placed and was withdrawn; place it again"),
        }
    }
}

impl fmt::Display for ShortLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product_id, name, wanted, left } = self;
        match (name.as_str(), left) {
            ("", _) => write!(f, "there is no product {product_id}"),
            (name, 0) => write!(f, "none left of {name}, {wanted} wanted"),
            (name, left) => write!(f, "only {left} left of {name}, {wanted} wanted"),
        }
    }
}

/// `12.00 USD`.
fn amount(minor: i64, currency: &str) -> String {
    match currency.parse::<Currency>() {
        Ok(currency) => format!("{} {currency}", currency.format_amount(minor)),
        Err(_) => format!("{minor} minor units of {currency}"),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::order::{Line, Price};

    fn attempt(expected_total_minor: Option<i64>) -> Attempt {
        let line = |product_id, quoted_price_minor| Line { product_id, quantity: 1, quoted_price_minor };
        Attempt {
            id: Uuid::nil(),
            user_id: Uuid::nil(),
            expected_total_minor,
            attempts: 0,
            overdue: false,
            lines: sqlx::types::Json(vec![line(1, 1000), line(2, 500)]),
        }
    }

    fn priced() -> Priced {
        let price = |name: &str, price_minor| Price { name: name.to_owned(), price_minor };
        Priced {
            prices: vec![price("Mug", 1200), price("Pen", 500)],
            total_minor: 1700,
            currency: "USD".to_owned(),
        }
    }

    #[test]
    fn another_total_names_the_lines_that_changed_and_no_others() {
        let rejection = Rejection::of_price(&attempt(Some(1500)), &priced()).unwrap();
        assert_eq!(rejection.to_string(), "the total is 17.00 USD now, not 15.00 USD");
        let expected = ("products[1]".to_owned(), "Mug costs 12.00 USD now, not 10.00 USD".to_owned());
        assert_eq!(rejection.violations(), [expected]);
    }

    #[test]
    fn nobody_who_does_not_insist_is_refused() {
        assert_eq!(Rejection::of_price(&attempt(None), &priced()), None);
        assert_eq!(Rejection::of_price(&attempt(Some(1700)), &priced()), None);
    }

    #[test]
    fn short_lines_say_what_is_left() {
        let line = |name: &str, left| ShortLine { product_id: 7, name: name.to_owned(), wanted: 3, left };
        assert_eq!(line("Mug", 1).to_string(), "only 1 left of Mug, 3 wanted");
        assert_eq!(line("Mug", 0).to_string(), "none left of Mug, 3 wanted");
        assert_eq!(line("", 0).to_string(), "there is no product 7");
    }

    #[test]
    fn a_refusal_is_read_as_it_was_written() {
        let short = ShortLine { product_id: 7, name: "Mug".to_owned(), wanted: 3, left: 1 };
        let price = Rejection::of_price(&attempt(Some(1)), &priced()).unwrap();
        for rejection in [Rejection::OutOfStock { lines: vec![short] }, price, Rejection::Withdrawn] {
            let json = serde_json::to_string(&rejection).unwrap();
            assert_eq!(serde_json::from_str::<Rejection>(&json).unwrap(), rejection);
        }
    }
}
