//! Discounts. At most one of each class is applied, the one that saves most; discounts of different classes add up.

use serde::{Deserialize, Serialize};

use crate::{
    Cart, Error, Rate,
    arithmetic::{split, sum},
    cart::require_not_negative,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discount {
    pub class: DiscountClass,
    pub value: DiscountValue,
    /// The subtotal before discounts from which it applies.
    pub min_subtotal_minor: i64,
    /// The indices of the lines that it applies to; `None` for all. A discount on shipping needs one of them in the cart.
    pub lines: Option<Vec<usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscountClass {
    /// Off the price of each line. An amount is taken off each unit.
    Line,
    /// Off what the lines cost after discounts of the class `Line`, once for the order.
    Order,
    /// Off the price of shipping.
    Shipping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscountValue {
    Rate(Rate),
    Amount(i64),
}

/// What a discount of the cart does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscountOutcome {
    /// With the amount that it saves, more than zero.
    Applied(i64),
    MinimumNotMet,
    /// It would save nothing.
    NothingEligible,
    /// Another discount of its class saves more, or as much and comes first.
    Superseded,
}

impl Discount {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        require_not_negative(self.min_subtotal_minor, "minimum of a discount")?;
        match self.value {
            DiscountValue::Rate(_) => Ok(()),
            DiscountValue::Amount(amount) => require_not_negative(amount, "amount of a discount"),
        }
    }

    fn includes(&self, line: usize) -> bool {
        self.lines.as_ref().is_none_or(|lines| lines.contains(&line))
    }

    /// Returns what is taken off `amount`, once.
    fn off(&self, amount: i64) -> i64 {
        match self.value {
            DiscountValue::Rate(rate) => rate.of(amount),
            DiscountValue::Amount(off) => off.min(amount),
        }
    }

    /// Returns what a discount of the class `Line` takes off each line.
    pub(crate) fn off_lines(&self, cart: &Cart, gross: &[i64]) -> Vec<i64> {
        let off = |index: usize| match self.value {
            _ if !self.includes(index) => 0,
            DiscountValue::Rate(rate) => rate.of(gross[index]),
            // At most the line's gross price, which fits.
            DiscountValue::Amount(off) => {
                let line = &cart.lines[index];
                off.min(line.price_minor) * i64::from(line.quantity)
            }
        };
        (0..gross.len()).map(off).collect()
    }

    /// Returns what a discount of the class `Order` takes off each line, which costs `nets` before it.
    pub(crate) fn off_order(&self, nets: &[i64]) -> Result<Vec<i64>, Error> {
        let eligible =
            nets.iter().enumerate().map(|(index, net)| if self.includes(index) { *net } else { 0 });
        let eligible: Vec<_> = eligible.collect();
        Ok(split(self.off(sum(eligible.iter().copied())?), &eligible))
    }

    /// Returns what a discount of the class `Shipping` takes off its price.
    pub(crate) fn off_shipping(&self, cart: &Cart, price: i64) -> Vec<i64> {
        let is_eligible = self.lines.is_none() || (0..cart.lines.len()).any(|line| self.includes(line));
        vec![if is_eligible { self.off(price) } else { 0 }]
    }
}

/// Applies the best discount of `class`, and returns what it takes off each of the `parts` of the price.
pub(crate) fn apply_best(
    (discounts, outcomes): (&[Discount], &mut [DiscountOutcome]),
    class: DiscountClass,
    subtotal: i64,
    parts: usize,
    off: impl Fn(&Discount) -> Result<Vec<i64>, Error>,
) -> Result<Vec<i64>, Error> {
    let mut best: Option<(usize, i64, Vec<i64>)> = None;
    for (index, discount) in discounts.iter().enumerate().filter(|(_, discount)| discount.class == class) {
        if subtotal < discount.min_subtotal_minor {
            outcomes[index] = DiscountOutcome::MinimumNotMet;
            continue;
        }
        let parts = off(discount)?;
        let saved = sum(parts.iter().copied())?;
        if saved == 0 {
            outcomes[index] = DiscountOutcome::NothingEligible;
            continue;
        }
        outcomes[index] = DiscountOutcome::Superseded;
        if best.as_ref().is_none_or(|(_, most, _)| saved > *most) {
            best = Some((index, saved, parts));
        }
    }
    Ok(match best {
        Some((index, saved, parts)) => {
            outcomes[index] = DiscountOutcome::Applied(saved);
            parts
        }
        None => vec![0; parts],
    })
}
