//! Refunds in parts, from the amounts that an order has stored.

use crate::arithmetic::{fraction, split};

/// What was paid for a line, or for shipping, when the order was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The units of the line; 1 for shipping.
    pub quantity: i32,
    /// With taxes, and after discounts.
    pub total_minor: i64,
    /// The part of the total that is tax.
    pub tax_minor: i64,
}

/// What was refunded of it before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refunded {
    /// The returned units. Refunds of an amount return none.
    pub quantity: i32,
    pub amount_minor: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refund {
    /// The returned units.
    pub quantity: i32,
    /// With taxes.
    pub amount_minor: i64,
    /// The part of the amount that is tax.
    pub tax_minor: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefundError {
    #[error("a refund must be greater than 0")]
    NotPositive,
    #[error("only {left} units can be returned")]
    TooManyUnits { left: i32 },
    #[error("only {left_minor} can be refunded")]
    ExceedsPaid { left_minor: i64 },
}

impl Refunded {
    /// Returns what was refunded after one more refund.
    #[must_use]
    pub fn plus(self, refund: Refund) -> Self {
        Self {
            quantity: self.quantity.saturating_add(refund.quantity),
            amount_minor: self.amount_minor.saturating_add(refund.amount_minor),
        }
    }
}

impl Paid {
    /// Returns the refund of `quantity` returned units: their part of the total, at most what is left of it.
    ///
    /// The first `n` returned units give back `total * n / quantity`, rounded once, and the last ones all that is left. So all
    /// units give back the total, in however many returns, and whether or not some of them were rejected and made again.
    ///
    /// # Errors
    /// If `quantity` is not positive, or exceeds the units that are left.
    pub fn return_units(&self, refunded: Refunded, quantity: i32) -> Result<Refund, RefundError> {
        if quantity <= 0 {
            return Err(RefundError::NotPositive);
        }
        let left = self.quantity.saturating_sub(refunded.quantity).max(0);
        if quantity > left {
            return Err(RefundError::TooManyUnits { left });
        }
        let share = |units: i32| fraction(self.total_minor, units.into(), self.quantity.into());
        let amount_minor = if quantity == left {
            self.left_minor(refunded)
        } else {
            (share(refunded.quantity + quantity) - share(refunded.quantity)).min(self.left_minor(refunded))
        };
        Ok(Refund { quantity, ..self.refund(refunded, amount_minor) })
    }

    /// Returns the refund of an amount, with no unit returned.
    ///
    /// # Errors
    /// If the amount is not positive, or exceeds what is left of the total.
    pub fn refund_amount(&self, refunded: Refunded, amount_minor: i64) -> Result<Refund, RefundError> {
        require_left(amount_minor, self.left_minor(refunded))?;
        Ok(self.refund(refunded, amount_minor))
    }

    /// Returns the part of the total that is not refunded.
    pub fn left_minor(&self, refunded: Refunded) -> i64 {
        self.total_minor.saturating_sub(refunded.amount_minor).max(0)
    }

    /// The tax of the first `n` refunded minor units is `tax * n / total`, rounded once: a refund never contains more tax than
    /// its amount, and all refunds contain the whole tax.
    fn refund(&self, refunded: Refunded, amount_minor: i64) -> Refund {
        let tax = |amount: i64| match self.total_minor {
            0 => 0,
            total => fraction(self.tax_minor, amount.into(), total.into()),
        };
        let before = refunded.amount_minor.clamp(0, self.total_minor);
        Refund { quantity: 0, amount_minor, tax_minor: tax(before + amount_minor) - tax(before) }
    }
}

/// Divides the refund of an amount among the lines of an order and its shipping, in proportion to what is left of each.
///
/// # Errors
/// If the amount is not positive, or exceeds what is left of all.
pub fn refund_order(parts: &[(Paid, Refunded)], amount_minor: i64) -> Result<Vec<Refund>, RefundError> {
    let left: Vec<_> = parts.iter().map(|(paid, refunded)| paid.left_minor(*refunded)).collect();
    require_left(amount_minor, left.iter().sum())?;
    let amounts = split(amount_minor, &left);
    Ok(parts.iter().zip(amounts).map(|((paid, refunded), amount)| paid.refund(*refunded, amount)).collect())
}

fn require_left(amount_minor: i64, left_minor: i64) -> Result<(), RefundError> {
    if amount_minor <= 0 {
        return Err(RefundError::NotPositive);
    }
    if amount_minor > left_minor { Err(RefundError::ExceedsPaid { left_minor }) } else { Ok(()) }
}
