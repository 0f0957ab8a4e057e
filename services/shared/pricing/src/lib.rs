//! The total of an order, and the amounts of its refunds.
//!
//! [`price`] is the only function that computes a total: integers in, breakdown out, no I/O. [`Paid`] computes refunds from the
//! amounts that an order has stored; a refund never computes discounts or taxes again.
//!
//! Amounts are minor units of one currency in `i64`, products of two amounts `i128`, rates parts per million ([`Rate`]). There
//! are two roundings, both in `arithmetic.rs`:
//!
//! - a fraction of an amount is rounded half up;
//! - an amount that is divided among parts is divided by the largest remainder: each part gets its share rounded down, and what
//!   is left goes, unit by unit, to the parts with the largest remainders, of equal ones to the earlier part. So the parts of
//!   an amount always add up to it, and no part exceeds its weight if the whole does not.

mod arithmetic;
mod breakdown;
mod cart;
mod discounts;
mod error;
mod price;
mod refunds;
mod shipping;
mod tax;

pub use arithmetic::Rate;
pub use breakdown::{Breakdown, LineBreakdown, ShippingBreakdown, TaxBreakdown};
pub use cart::{Cart, Line};
pub use discounts::{Discount, DiscountClass, DiscountOutcome, DiscountValue};
pub use error::Error;
pub use price::price;
pub use refunds::{Paid, Refund, RefundError, Refunded, refund_order};
pub use shipping::{ShippingBand, ShippingBasis, ShippingRate};
