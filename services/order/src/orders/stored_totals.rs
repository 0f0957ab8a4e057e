//! Computes the totals of orders again, from what the orders have stored.

use std::collections::BTreeMap;

use bodega_pricing::{Cart, DiscountOutcome, Line, price};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// Selects what orders have stored of their totals, as JSON for [`total_difference`]. Orders of earlier versions have nothing but
/// the sum of their lines.
pub const STORED_TOTALS: &str = include_str!("stored_totals.sql");

/// What an order has stored. Lines are in the order of their products, discounts in that of their ids.
#[derive(Deserialize)]
struct Stored {
    id: Uuid,
    /// `None` for the sum of the lines.
    cart: Option<Cart>,
    /// The amounts, as [`computed`] returns them.
    amounts: BTreeMap<String, Value>,
}

/// Returns how the stored amounts of an order differ from those that are computed again, or `None` if they are equal.
///
/// `stored` is a row of [`STORED_TOTALS`].
pub fn total_difference(stored: &str) -> Option<String> {
    let Stored { id, cart, amounts } = match serde_json::from_str(stored) {
        Ok(stored) => stored,
        Err(error) => return Some(format!("{error}: {stored}")),
    };
    let cart = match cart {
        Some(cart) => cart,
        None => match cart_of_lines(&amounts) {
            Some(cart) => cart,
            None => return Some(format!("order {id}: has no valid lines")),
        },
    };
    let computed = match computed(&cart) {
        Ok(computed) => computed,
        Err(error) => return Some(format!("order {id}: has no total: {error}")),
    };
    let differences: Vec<_> = computed
        .iter()
        .filter(|(name, value)| amounts.get(*name) != Some(value))
        .map(|(name, value)| {
            let stored = amounts.get(name).unwrap_or(&Value::Null);
            format!("{name} is {stored}, computed {value}")
        })
        .collect();
    (!differences.is_empty()).then(|| format!("order {id}: {}", differences.join("; ")))
}

/// Returns the cart of an order without discounts, shipping and taxes.
fn cart_of_lines(amounts: &BTreeMap<String, Value>) -> Option<Cart> {
    #[derive(Deserialize)]
    struct StoredLine {
        price_minor: i64,
        quantity: i32,
        weight_grams: i32,
    }
    let lines: Vec<StoredLine> = serde_json::from_value(amounts.get("lines")?.clone()).ok()?;
    let lines = lines.into_iter().map(|line| Line {
        price_minor: line.price_minor,
        quantity: line.quantity,
        weight_grams: line.weight_grams,
        tax_rate: None,
    });
    let prices_include_tax = amounts.get("prices_include_tax")?.as_bool()?;
    Some(Cart { lines: lines.collect(), prices_include_tax, ..Cart::default() })
}

fn computed(cart: &Cart) -> Result<BTreeMap<String, Value>, bodega_pricing::Error> {
    let total = price(cart)?;
    let lines = cart.lines.iter().zip(&total.lines).map(|(line, part)| {
        json!({
            "price_minor": line.price_minor, "quantity": line.quantity, "weight_grams": line.weight_grams,
            "discount_minor": part.line_discount_minor + part.order_discount_minor,
            "tax_minor": part.tax_minor, "total_minor": part.total_minor,
        })
    });
    let discounts = cart.discounts.iter().zip(&total.discounts).map(|(discount, outcome)| {
        let saved = match outcome {
            DiscountOutcome::Applied(saved) => *saved,
            _ => 0,
        };
        json!({"class": discount.class, "amount_minor": saved})
    });
    let taxes = total.taxes.iter().map(|tax| {
        let rate = cart.tax_rates[tax.rate];
        json!({"rate_ppm": rate, "taxable_minor": tax.taxable_minor, "tax_minor": tax.tax_minor})
    });
    let amounts = [
        ("lines", lines.collect()),
        ("discounts", discounts.collect()),
        ("taxes", taxes.collect()),
        ("prices_include_tax", json!(cart.prices_include_tax)),
        ("subtotal_minor", json!(total.subtotal_minor)),
        ("discount_minor", json!(total.discount_total_minor)),
        ("shipping_minor", json!(total.shipping_total_minor)),
        ("shipping_discount_minor", json!(total.shipping.discount_minor)),
        ("shipping_tax_minor", json!(total.shipping.tax_minor)),
        ("tax_minor", json!(total.tax_total_minor)),
        ("total_minor", json!(total.total_minor)),
    ];
    Ok(amounts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An order of two mugs with 10 % off, and 19 % tax.
    fn stored() -> Value {
        json!({
            "id": Uuid::nil(),
            "cart": {
                "lines": [{"price_minor": 1000, "quantity": 2, "weight_grams": 0, "tax_rate": 0}],
                "discounts": [
                    {"class": "order", "value": {"rate": 100_000}, "min_subtotal_minor": 0, "lines": null}
                ],
                "shipping": null, "tax_rates": [190_000], "prices_include_tax": false,
            },
            "amounts": {
                "lines": [{
                    "price_minor": 1000, "quantity": 2, "weight_grams": 0, "discount_minor": 200, "tax_minor": 342,
                    "total_minor": 2142,
                }],
                "discounts": [{"class": "order", "amount_minor": 200}],
                "taxes": [{"rate_ppm": 190_000, "taxable_minor": 1800, "tax_minor": 342}],
                "prices_include_tax": false, "subtotal_minor": 2000, "discount_minor": 200, "shipping_minor": 0,
                "shipping_discount_minor": 0, "shipping_tax_minor": 0, "tax_minor": 342, "total_minor": 2142,
            },
        })
    }

    #[test]
    fn equal_amounts_have_no_difference() {
        assert_eq!(total_difference(&stored().to_string()), None);
    }

    #[test]
    fn names_each_amount_that_differs() {
        for pointer in [
            "/amounts/total_minor",
            "/amounts/tax_minor",
            "/amounts/lines/0/quantity",
            "/amounts/lines/0/tax_minor",
            "/amounts/discounts/0/amount_minor",
            "/amounts/taxes/0/rate_ppm",
            "/cart/lines/0/price_minor",
            "/cart/tax_rates/0",
        ] {
            let mut changed = stored();
            *changed.pointer_mut(pointer).unwrap() = json!(7);
            assert!(total_difference(&changed.to_string()).is_some(), "{pointer}");
        }
        let mut changed = stored();
        changed["amounts"]["total_minor"] = json!(7);
        let nil = Uuid::nil();
        assert_eq!(
            total_difference(&changed.to_string()),
            Some(format!("order {nil}: total_minor is 7, computed 2142"))
        );
        changed["cart"]["tax_rates"] = json!([-1]);
        assert!(total_difference(&changed.to_string()).is_some());
    }

    #[test]
    fn the_total_of_an_order_without_a_cart_is_the_sum_of_its_lines() {
        let mut stored = stored();
        stored["cart"] = Value::Null;
        assert!(total_difference(&stored.to_string()).is_some());
        stored["amounts"] = json!({
            "lines": [{
                "price_minor": 1000, "quantity": 2, "weight_grams": 300, "discount_minor": 0, "tax_minor": 0,
                "total_minor": 2000,
            }],
            "discounts": [], "taxes": [], "prices_include_tax": true, "subtotal_minor": 2000, "discount_minor": 0,
            "shipping_minor": 0, "shipping_discount_minor": 0, "shipping_tax_minor": 0, "tax_minor": 0,
            "total_minor": 2000,
        });
        assert_eq!(total_difference(&stored.to_string()), None);
    }
}
