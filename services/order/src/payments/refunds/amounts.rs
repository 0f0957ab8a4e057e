//! The amounts of a refund: pure functions of what an order has stored.

use bodega_pricing::{Paid, Refund, RefundError, Refunded, refund_order};
use bodega_runtime::{money::Currency, status::Violations};

use super::RefundRequest;
use crate::error::Error;

/// What a refund can return of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RefundableOrder {
    /// In the order of their product ids.
    pub lines: Vec<RefundableLine>,
    pub shipping: RefundablePart,
    /// ISO 4217.
    pub currency: String,
}

/// A line of an order, with what was returned and refunded of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefundableLine {
    pub product_id: i32,
    pub quantity: i32,
    /// Units that were shipped, whether they were returned or not.
    pub shipped_quantity: i32,
    /// Units that were returned, whether they were shipped or not.
    pub returned_quantity: i32,
    /// Of the returned units: those that were not shipped.
    pub unshipped_quantity: i32,
    pub part: RefundablePart,
}

/// What was paid for a line or for shipping, and what was refunded of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RefundablePart {
    /// With taxes.
    pub total_minor: i64,
    pub tax_minor: i64,
    pub refunded_minor: i64,
}

/// The amounts of a refund.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RefundAmounts {
    pub lines: Vec<LineRefund>,
    pub shipping_minor: i64,
    pub amount_minor: i64,
    /// The part of the amount that is tax.
    pub tax_minor: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineRefund {
    pub product_id: i32,
    pub quantity: i32,
    pub unshipped_quantity: i32,
    pub amount_minor: i64,
    pub tax_minor: i64,
}

impl RefundableLine {
    /// Returns the shipped units that were not returned.
    fn shipped_left(&self) -> i32 {
        self.shipped_quantity - (self.returned_quantity - self.unshipped_quantity)
    }

    /// Returns the units that are still to be shipped.
    fn unshipped_left(&self) -> i32 {
        self.quantity - self.unshipped_quantity - self.shipped_quantity
    }

    fn paid(&self) -> (Paid, Refunded) {
        let RefundablePart { total_minor, tax_minor, refunded_minor } = self.part;
        (
            Paid { quantity: self.quantity, total_minor, tax_minor },
            Refunded { quantity: self.returned_quantity, amount_minor: refunded_minor },
        )
    }
}

impl RefundablePart {
    fn paid(&self) -> (Paid, Refunded) {
        let Self { total_minor, tax_minor, refunded_minor } = *self;
        (Paid { quantity: 1, total_minor, tax_minor }, Refunded { quantity: 0, amount_minor: refunded_minor })
    }
}

impl RefundableOrder {
    /// Computes the amounts of a request, of which `left_minor` can be refunded at most.
    ///
    /// # Errors
    /// [`Error::InvalidFields`] for lines that the order does not have, [`Error::RefundExceedsPaid`] if more is requested than
    /// is left.
    pub(crate) fn refund(&self, request: &RefundRequest, left_minor: i64) -> Result<RefundAmounts, Error> {
        let field = match request {
            RefundRequest { amount_minor: Some(_), .. } => "amount_minor",
            RefundRequest { lines, .. } if lines.is_empty() => "shipping",
            _ => "lines",
        };
        let amounts = match request.amount_minor {
            Some(amount_minor) if amount_minor > left_minor => return Err(self.exceeds(field, left_minor)),
            Some(amount_minor) => self.refund_amount(amount_minor).map_err(|error| match error {
                RefundError::ExceedsPaid { left_minor } => self.exceeds(field, left_minor),
                RefundError::NotPositive | RefundError::TooManyUnits { .. } => self.exceeds(field, 0),
            })?,
            None => self.refund_parts(request)?,
        };
        let has_units = amounts.lines.iter().any(|line| line.quantity > 0);
        if amounts.amount_minor > left_minor {
            return Err(self.exceeds(field, left_minor));
        }
        if amounts.amount_minor == 0 && !has_units {
            return Err(self.exceeds(field, 0));
        }
        Ok(amounts)
    }

    /// Divides an amount among the lines and shipping, in proportion to what is left of each.
    ///
    /// # Errors
    /// If the amount is not positive, or exceeds what is left.
    pub(crate) fn refund_amount(&self, amount_minor: i64) -> Result<RefundAmounts, RefundError> {
        let mut parts: Vec<_> = self.lines.iter().map(RefundableLine::paid).collect();
        parts.push(self.shipping.paid());
        let refunds = refund_order(&parts, amount_minor)?;
        let mut amounts = RefundAmounts::default();
        for (line, refund) in self.lines.iter().zip(&refunds).filter(|(_, refund)| refund.amount_minor > 0) {
            amounts.add_line(line.product_id, 0, refund);
        }
        if let Some(shipping) = refunds.last() {
            amounts.add_shipping(shipping);
        }
        Ok(amounts)
    }

    fn refund_parts(&self, request: &RefundRequest) -> Result<RefundAmounts, Error> {
        let mut amounts = RefundAmounts::default();
        let (mut unknown, mut exceeding) = (Violations::new(), Violations::new());
        for (index, requested) in request.lines.iter().enumerate() {
            let found = self.lines.iter().find(|line| line.product_id == requested.product_id);
            let Some(line) = found else {
                unknown.add(format!("lines[{index}].variant_id"), "is not a line of the order");
                continue;
            };
            let quantity = requested.quantity;
            let (shipped_left, unshipped_left) = (line.shipped_left().max(0), line.unshipped_left().max(0));
            let unshipped = requested.unshipped_quantity.unwrap_or((quantity - shipped_left).max(0));
            let shipped = quantity - unshipped;
            if unshipped > unshipped_left || shipped > shipped_left {
                let message = format!(
                    "only {shipped_left} units that were shipped and {unshipped_left} that were not can be returned"
                );
                exceeding.add(format!("lines[{index}].quantity"), message);
                continue;
            }
            let (paid, refunded) = line.paid();
            match paid.return_units(refunded, quantity) {
                Ok(refund) => amounts.add_line(line.product_id, unshipped, &refund),
                Err(error) => exceeding.add(format!("lines[{index}].quantity"), error.to_string()),
            }
        }
        unknown.finish()?;
        exceeding.finish().map_err(Error::RefundExceedsPaid)?;
        if request.shipping {
            let (paid, refunded) = self.shipping.paid();
            // All that is left; nothing if shipping was free.
            if let Ok(refund) = paid.refund_amount(refunded, paid.left_minor(refunded)) {
                amounts.add_shipping(&refund);
            }
        }
        Ok(amounts)
    }

    fn exceeds(&self, field: &str, left_minor: i64) -> Error {
        let left = match self.currency.parse::<Currency>() {
            Ok(currency) => format!("{} {currency}", currency.format_amount(left_minor)),
            Err(_) => format!("{left_minor} minor units of {}", self.currency),
        };
        let mut violations = Violations::new();
        violations.add(field, format!("exceeds the {left} that can be refunded"));
        Error::RefundExceedsPaid(violations)
    }
}

impl RefundAmounts {
    fn add_line(&mut self, product_id: i32, unshipped_quantity: i32, refund: &Refund) {
        let Refund { quantity, amount_minor, tax_minor } = *refund;
        self.lines.push(LineRefund { product_id, quantity, unshipped_quantity, amount_minor, tax_minor });
        self.amount_minor = self.amount_minor.saturating_add(amount_minor);
        self.tax_minor = self.tax_minor.saturating_add(tax_minor);
    }

    fn add_shipping(&mut self, refund: &Refund) {
        self.shipping_minor = refund.amount_minor;
        self.amount_minor = self.amount_minor.saturating_add(refund.amount_minor);
        self.tax_minor = self.tax_minor.saturating_add(refund.tax_minor);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{super::RequestedLine, *};

    /// Three mugs of 10.00 and a pen of 2.50 with 5.00 shipping; two mugs were shipped.
    fn order() -> RefundableOrder {
        let line = |product_id, quantity, shipped_quantity, total_minor| RefundableLine {
            product_id,
            quantity,
            shipped_quantity,
            returned_quantity: 0,
            unshipped_quantity: 0,
            part: RefundablePart { total_minor, tax_minor: total_minor / 10, refunded_minor: 0 },
        };
        RefundableOrder {
            lines: vec![line(1, 3, 2, 3000), line(2, 1, 0, 250)],
            shipping: RefundablePart { total_minor: 500, tax_minor: 50, refunded_minor: 0 },
            currency: "USD".to_owned(),
        }
    }

    fn request(lines: &[(i32, i32, Option<i32>)]) -> RefundRequest {
        let lines = lines.iter().map(|(product_id, quantity, unshipped_quantity)| RequestedLine {
            product_id: *product_id,
            quantity: *quantity,
            unshipped_quantity: *unshipped_quantity,
        });
        RefundRequest {
            order_id: Uuid::nil(),
            lines: lines.collect(),
            shipping: false,
            amount_minor: None,
            restock: false,
            reason: None,
        }
    }

    fn message(result: Result<RefundAmounts, Error>) -> String {
        match result.unwrap_err() {
            Error::RefundExceedsPaid(violations) | Error::InvalidFields(violations) => violations.to_string(),
            error => panic!("{error}"),
        }
    }

    #[test]
    fn returned_units_were_shipped_if_enough_units_were() {
        let unshipped = |lines: &[(i32, i32, Option<i32>)]| {
            let amounts = order().refund(&request(lines), 3750).unwrap();
            (amounts.lines[0].unshipped_quantity, amounts.amount_minor, amounts.tax_minor)
        };
        assert_eq!(unshipped(&[(1, 1, None)]), (0, 1000, 100));
        assert_eq!(unshipped(&[(1, 3, None)]), (1, 3000, 300));
        assert_eq!(unshipped(&[(1, 1, Some(1))]), (1, 1000, 100));
        assert_eq!(unshipped(&[(2, 1, None)]), (1, 250, 25));
        for lines in [(1, 4, None), (1, 2, Some(2)), (1, 3, Some(0)), (2, 1, Some(0))] {
            let rejected = message(order().refund(&request(&[lines]), 3750));
            assert!(rejected.starts_with("lines[0].quantity only"), "{rejected}");
        }
        assert_eq!(
            message(order().refund(&request(&[(2, 1, None), (7, 1, None)]), 3750)),
            "lines[1].variant_id is not a line of the order"
        );
    }

    #[test]
    fn units_are_returned_once() {
        let mut order = order();
        order.lines[0].returned_quantity = 2;
        order.lines[0].part.refunded_minor = 2000;
        assert!(order.refund(&request(&[(1, 1, Some(0))]), 1750).is_err(), "both shipped ones were returned");
        assert_eq!(order.refund(&request(&[(1, 1, None)]), 1750).unwrap().lines[0].unshipped_quantity, 1);
    }

    #[test]
    fn shipping_and_amounts_are_refunded_once() {
        let shipping = RefundRequest { shipping: true, ..request(&[]) };
        let amounts = order().refund(&shipping, 3750).unwrap();
        assert_eq!((amounts.shipping_minor, amounts.amount_minor, amounts.tax_minor), (500, 500, 50));
        let mut refunded = order();
        refunded.shipping.refunded_minor = 500;
        assert_eq!(
            message(refunded.refund(&shipping, 3250)),
            "shipping exceeds the 0.00 USD that can be refunded"
        );

        let amount = |amount_minor| RefundRequest { amount_minor: Some(amount_minor), ..request(&[]) };
        let amounts = order().refund(&amount(375), 3750).unwrap();
        let lines: Vec<_> = amounts.lines.iter().map(|line| (line.quantity, line.amount_minor)).collect();
        assert_eq!((lines, amounts.shipping_minor), (vec![(0, 300), (0, 25)], 50));
        assert_eq!(
            message(order().refund(&amount(3751), 3750)),
            "amount_minor exceeds the 37.50 USD that can be refunded"
        );
        assert!(order().refund(&amount(100), 99).is_err(), "the provider has refunded the rest");
    }
}
