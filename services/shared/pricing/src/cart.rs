use serde::{Deserialize, Serialize};

use crate::{Breakdown, Discount, DiscountOutcome, Error, Rate, ShippingRate};

/// All that a total depends on. An order stores it as JSON, from which its total can be computed again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    pub lines: Vec<Line>,
    /// The discounts that are valid for this customer at this time. The best one of each class is applied.
    pub discounts: Vec<Discount>,
    /// The rate of the chosen shipping method, if any.
    pub shipping: Option<ShippingRate>,
    /// The rates that lines name.
    pub tax_rates: Vec<Rate>,
    pub prices_include_tax: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Of one unit.
    pub price_minor: i64,
    pub quantity: i32,
    /// Of one unit; 0 if it is not shipped.
    pub weight_grams: i32,
    /// An index of [`Cart::tax_rates`]; `None` if the line is not taxed.
    pub tax_rate: Option<usize>,
}

impl Line {
    /// Returns the price of all units.
    fn gross(&self) -> Result<i64, Error> {
        self.price_minor.checked_mul(i64::from(self.quantity)).ok_or(Error::Overflow)
    }
}

impl Cart {
    /// Returns the cart with only those of its discounts that apply. It costs the same.
    #[must_use]
    pub fn with_applied_discounts(mut self, breakdown: &Breakdown) -> Self {
        let mut outcomes = breakdown.discounts.iter();
        self.discounts.retain(|_| matches!(outcomes.next(), Some(DiscountOutcome::Applied(_))));
        self
    }

    /// Returns whether the total is that of the lines: without discounts, shipping and taxes.
    pub fn has_only_lines(&self) -> bool {
        self.discounts.is_empty()
            && self.shipping.is_none()
            && self.lines.iter().all(|line| line.tax_rate.is_none())
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        for (index, line) in self.lines.iter().enumerate() {
            require_not_negative(line.price_minor, "price")?;
            require_not_negative(line.quantity.into(), "quantity")?;
            require_not_negative(line.weight_grams.into(), "weight")?;
            if line.tax_rate.is_some_and(|rate| rate >= self.tax_rates.len()) {
                return Err(Error::UnknownTaxRate(index));
            }
        }
        self.discounts.iter().try_for_each(Discount::validate)?;
        self.shipping.iter().try_for_each(ShippingRate::validate)
    }

    /// Returns the price of each line before discounts.
    pub(crate) fn gross(&self) -> Result<Vec<i64>, Error> {
        self.lines.iter().map(Line::gross).collect()
    }

    pub(crate) fn weight_grams(&self) -> i128 {
        self.lines.iter().map(|line| i128::from(line.weight_grams) * i128::from(line.quantity)).sum()
    }
}

pub(crate) fn require_not_negative(value: i64, name: &'static str) -> Result<(), Error> {
    if value < 0 { Err(Error::Negative(name)) } else { Ok(()) }
}
