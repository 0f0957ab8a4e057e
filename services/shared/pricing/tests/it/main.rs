//! Totals of carts and refunds: worked examples, rules and properties.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod carts;
mod discounts;
mod examples;
mod properties;
mod refunds;
mod shipping;
mod stored_carts;
mod taxes;
