use crate::DiscountOutcome;

/// A total and its parts:
///
/// `total = subtotal - discount_total + shipping_total`, and `+ tax_total` if prices do not include taxes. The totals of the lines
/// and of shipping add up to the total as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breakdown {
    /// One per line of the cart, in their order.
    pub lines: Vec<LineBreakdown>,
    /// One per discount of the cart, in their order.
    pub discounts: Vec<DiscountOutcome>,
    pub shipping: ShippingBreakdown,
    /// One per rate that a line has, in the order of the lines.
    pub taxes: Vec<TaxBreakdown>,
    /// The prices of all lines before discounts.
    pub subtotal_minor: i64,
    /// The discounts of all lines; not that of shipping.
    pub discount_total_minor: i64,
    /// After its discount, without taxes that are added.
    pub shipping_total_minor: i64,
    /// All taxes, whether prices include them or not.
    pub tax_total_minor: i64,
    pub total_minor: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineBreakdown {
    /// The price of all units before discounts.
    pub gross_minor: i64,
    /// The discount of the class `Line`.
    pub line_discount_minor: i64,
    /// The line's part of the discount of the class `Order`.
    pub order_discount_minor: i64,
    pub tax_minor: i64,
    /// What the customer pays for the line, with taxes.
    pub total_minor: i64,
}

impl LineBreakdown {
    /// Returns the price after discounts.
    pub(crate) fn net(&self) -> i64 {
        self.gross_minor - self.line_discount_minor - self.order_discount_minor
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShippingBreakdown {
    /// Before the discount.
    pub price_minor: i64,
    pub discount_minor: i64,
    pub tax_minor: i64,
    /// What the customer pays for shipping, with taxes.
    pub total_minor: i64,
}

impl ShippingBreakdown {
    /// Returns the price after its discount.
    pub(crate) fn net(&self) -> i64 {
        self.price_minor - self.discount_minor
    }
}

/// The tax of one rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxBreakdown {
    /// An index of the cart's tax rates.
    pub rate: usize,
    /// The amount without the tax: lines of this rate and their part of shipping.
    pub taxable_minor: i64,
    pub tax_minor: i64,
}
