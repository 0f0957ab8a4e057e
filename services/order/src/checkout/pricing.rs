//! Orders, and the attempts they grow from.

use bodega_proto::catalog::v1::Reserved;
use serde::Deserialize;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    outbox::{Delivery, Kind},
    payment::PaymentStatus,
    rejection::Rejection,
    status::OrderStatus,
};

/// A line as it came from the cart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Line {
    /// Which product.
    pub product_id: i32,
    /// How many.
    pub quantity: i32,
    /// The price of one unit that the cart showed, in minor units.
    pub quoted_price_minor: i64,
}

/// An attempt that somebody has the lease of.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// The order's id.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// The total its shopper insists on, in minor units.
    pub expected_total_minor: Option<i64>,
    /// How often it was taken over; 0 for whoever began it.
    pub attempts: i32,
    /// Whether it was begun so long ago that nobody can be waiting for it any more.
    pub overdue: bool,
    /// What to order.
    pub lines: Json<Vec<Line>>,
}

impl Attempt {
    /// What a neighbour is to be told of it.
    pub(crate) fn delivery(&self, kind: Kind) -> Delivery {
        Delivery { order_id: self.id, kind, attempts: 0, user_id: self.user_id, lines: self.lines.clone() }
    }
}

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Under way.
    Placing,
    /// Over, without an order.
    Rejected,
    /// An order.
    Placed,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is an order.
    Placed,
    /// It is none, and this is why.
    Rejected(Rejection),
}

/// An order, as it is shown.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Order {
    pub id: Uuid,
    pub user_id: Uuid,
    #[sqlx(json)]
    pub items: Vec<Item>,
    pub total_minor: i64,
    pub currency: String,
    pub status: OrderStatus,
    #[sqlx(json(nullable))]
    pub payment: Option<PaymentView>,
    #[sqlx(json)]
    pub history: Vec<Event>,
    pub placed_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// A line of an order, with name and price of its moment.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub product_id: i32,
    pub name: String,
    pub price_minor: i64,
    pub quantity: i32,
}

/// How an order is paid.
#[derive(Debug, Deserialize)]
pub(crate) struct PaymentView {
    pub provider: String,
    pub status: PaymentStatus,
}

/// A step of an order or of its payment.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    /// Where the order stood after it.
    pub status: OrderStatus,
    /// What the payment came to with it.
    pub payment_status: Option<PaymentStatus>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// Lines at the prices of their moment, and their sum.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Priced {
    /// One a line, in the lines' order.
    pub prices: Vec<Price>,
    /// In minor units.
    pub total_minor: i64,
    /// ISO 4217.
    pub currency: String,
}

/// What one line's product is called and costs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Price {
    /// Its name.
    pub name: String,
    /// Of one unit, in minor units.
    pub price_minor: i64,
}

/// Prices `lines` by what the catalog reserved. `None` when that is not what was asked for, or beyond 64 bits.
pub(crate) fn price(lines: &[Line], reserved: Reserved) -> Option<Priced> {
    if reserved.lines.len() != lines.len() {
        return None;
    }
    let mut prices = Vec::with_capacity(lines.len());
    let mut total_minor = 0_i64;
    for line in lines {
        let found = reserved.lines.iter().find(|found| found.product_id == line.product_id)?;
        if found.quantity != line.quantity || found.price_minor < 0 {
            return None;
        }
        total_minor = total_minor.checked_add(line_total(found.price_minor, line.quantity)?)?;
        prices.push(Price { name: found.name.clone(), price_minor: found.price_minor });
    }
    Some(Priced { prices, total_minor, currency: reserved.currency })
}

/// Price times quantity. `None` beyond 64 bits.
pub(crate) fn line_total(price_minor: i64, quantity: i32) -> Option<i64> {
    price_minor.checked_mul(i64::from(quantity))
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
        });
        Reserved { lines: lines.collect(), currency: "USD".to_owned() }
    }

    fn line(product_id: i32, quantity: i32) -> Line {
        Line { product_id, quantity, quoted_price_minor: 0 }
    }

    #[test]
    fn what_was_not_asked_for_is_not_priced() {
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
        fn totals_of_a_shop_are_exact(
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
