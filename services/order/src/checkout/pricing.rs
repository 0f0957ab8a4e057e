//! The prices and the total of an order.

use bodega_pricing::Cart;
use bodega_proto::catalog::v1::Reserved;
use serde::Deserialize;

/// A line of the cart that is checked out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Line {
    pub product_id: i32,
    pub quantity: i32,
    /// The price of one unit that the cart showed, in minor units.
    pub quoted_price_minor: i64,
}

/// Names and prices of lines, and their total.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PricedLines {
    /// One per line, in the order of the lines.
    pub prices: Vec<Price>,
    pub total_minor: i64,
    pub currency: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    pub name: String,
    /// The price of one unit, in minor units.
    pub price_minor: i64,
}

/// Prices `lines` as the catalog has reserved them. Returns `None` if the reservation does not match the lines, or the
/// total exceeds 64 bits.
pub(crate) fn price(lines: &[Line], reserved: Reserved) -> Option<PricedLines> {
    if reserved.lines.len() != lines.len() {
        return None;
    }
    let mut prices = Vec::with_capacity(lines.len());
    let mut cart = Cart::default();
    for line in lines {
        let found = reserved.lines.iter().find(|found| found.product_id == line.product_id)?;
        if found.quantity != line.quantity {
            return None;
        }
        prices.push(Price { name: found.name.clone(), price_minor: found.price_minor });
        cart.lines.push(bodega_pricing::Line {
            price_minor: found.price_minor,
            quantity: found.quantity,
            ..bodega_pricing::Line::default()
        });
    }
    let total_minor = bodega_pricing::price(&cart).ok()?.total_minor;
    Some(PricedLines { prices, total_minor, currency: reserved.currency })
}

#[cfg(test)]
mod tests {
    use bodega_proto::catalog::v1::ReservedLine;
    use proptest::prelude::*;

    use super::*;

    fn reserved(lines: &[Line], price: impl Fn(i32) -> i64) -> Reserved {
        let lines = lines.iter().map(|line| ReservedLine {
            product_id: line.product_id,
            name: format!("product {}", line.product_id),
            price_minor: price(line.product_id),
            quantity: line.quantity,
            version: None,
        });
        Reserved { lines: lines.collect(), currency: "USD".to_owned() }
    }

    fn line(product_id: i32, quantity: i32) -> Line {
        Line { product_id, quantity, quoted_price_minor: 0 }
    }

    #[test]
    fn a_reservation_must_match_the_lines() {
        let lines = [line(1, 2), line(2, 1)];
        assert!(price(&lines, reserved(&lines, |_| 100)).is_some());
        assert_eq!(price(&lines, reserved(&lines[..1], |_| 100)), None, "a line is missing");
        assert_eq!(price(&lines, reserved(&[line(1, 2), line(3, 1)], |_| 100)), None, "another product");
        assert_eq!(price(&lines, reserved(&[line(1, 2), line(2, 2)], |_| 100)), None, "another quantity");
        assert_eq!(price(&lines, reserved(&lines, |_| -1)), None, "a negative price");
    }

    proptest! {
        #[test]
        fn totals_are_exact_or_none(
            lines in prop::collection::btree_map(1..1000_i32, (1..=1_000_000_i32, 0..=i64::MAX), 0..20),
        ) {
            let cart: Vec<_> = lines.iter().map(|(id, (quantity, _))| line(*id, *quantity)).collect();
            let priced = price(&cart, reserved(&cart, |id| lines[&id].1));
            let exact: i128 = lines.values().map(|(quantity, price)| i128::from(*quantity) * i128::from(*price)).sum();
            prop_assert_eq!(priced.map(|priced| priced.total_minor), i64::try_from(exact).ok());
        }

        #[test]
        fn totals_of_valid_carts_are_exact(
            lines in prop::collection::btree_map(1..1000_i32, (1..=9_999_i32, 0..=1_000_000_000_000_i64), 1..=100),
        ) {
            let cart: Vec<_> = lines.iter().map(|(id, (quantity, _))| line(*id, *quantity)).collect();
            let priced = price(&cart, reserved(&cart, |id| lines[&id].1)).unwrap();
            let exact: i128 = lines.values().map(|(quantity, price)| i128::from(*quantity) * i128::from(*price)).sum();
            prop_assert_eq!(i128::from(priced.total_minor), exact);
            for (line, price) in cart.iter().zip(&priced.prices) {
                prop_assert_eq!(price.price_minor, lines[&line.product_id].1);
            }
        }
    }
}
