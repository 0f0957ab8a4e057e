//! The parts of an order's total, as they were when the order was placed.

use serde::{Deserialize, Serialize};

/// Amounts are in minor units: `total = subtotal - discount + shipping`, and `+ tax` if prices do not include taxes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Breakdown {
    /// The prices of all lines before discounts.
    pub subtotal_minor: i64,
    /// The discounts of all lines; not that of shipping.
    pub discount_minor: i64,
    /// The price of shipping after its discount, without taxes that are added.
    pub shipping_minor: i64,
    pub shipping_discount_minor: i64,
    /// The part of the tax that is for shipping.
    pub shipping_tax_minor: i64,
    /// All taxes, whether prices include them or not.
    pub tax_minor: i64,
    pub prices_include_tax: bool,
    /// The title of the shipping method; `None` if nothing is shipped.
    pub shipping_title: Option<String>,
    /// One per rate.
    pub taxes: Vec<Tax>,
    /// The discounts that reduce the total.
    pub discounts: Vec<Discount>,
}

/// The tax of one rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tax {
    pub name: String,
    pub rate_ppm: i32,
    /// The amount without the tax.
    pub taxable_minor: i64,
    pub tax_minor: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Discount {
    pub discount_id: i64,
    /// In upper case; `None` for an automatic discount.
    pub code: Option<String>,
    pub title: String,
    /// `line`, `order` or `shipping`.
    pub class: String,
    pub amount_minor: i64,
}
