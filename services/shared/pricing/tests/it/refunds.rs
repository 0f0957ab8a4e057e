use bodega_pricing::{Breakdown, Paid, Refund, RefundError, Refunded, price, refund_order};
use proptest::{collection::vec, prelude::*};

use super::carts::{any_cart, config};

fn paid(quantity: i32, total_minor: i64, tax_minor: i64) -> Paid {
    Paid { quantity, total_minor, tax_minor }
}

fn refunded(quantity: i32, amount_minor: i64) -> Refunded {
    Refunded { quantity, amount_minor }
}

#[test]
fn three_returns_give_back_exactly_what_was_paid() {
    let line = paid(3, 1000, 160);
    let mut before = Refunded::default();
    let mut refunds = Vec::new();
    for _ in 0..3 {
        let refund = line.return_units(before, 1).unwrap();
        before = before.plus(refund);
        refunds.push((refund.amount_minor, refund.tax_minor));
    }
    assert_eq!(refunds, [(333, 53), (334, 54), (333, 53)]);
    assert_eq!(line.return_units(before, 1), Err(RefundError::TooManyUnits { left: 0 }));
    assert_eq!(line.refund_amount(before, 1), Err(RefundError::ExceedsPaid { left_minor: 0 }));
}

#[test]
fn a_returned_unit_gives_back_at_most_what_is_left() {
    let line = paid(2, 2000, 0);
    let refund = line.refund_amount(Refunded::default(), 1500).unwrap();
    assert_eq!(refund, Refund { quantity: 0, amount_minor: 1500, tax_minor: 0 });
    assert_eq!(line.return_units(refunded(0, 1500), 1).unwrap().amount_minor, 500);
    assert_eq!(line.return_units(refunded(1, 2000), 1).unwrap().amount_minor, 0);
}

/// The second one was rejected, and was made again after the third one.
#[test]
fn the_last_return_gives_back_all_that_is_left() {
    let line = paid(3, 100, 0);
    let amounts = [refunded(0, 0), refunded(1, 33), refunded(2, 66)]
        .map(|before| line.return_units(before, 1).unwrap().amount_minor);
    assert_eq!(amounts, [33, 34, 34]);
}

#[test]
fn refunds_must_be_positive_and_within_what_was_paid() {
    let line = paid(2, 2000, 0);
    for quantity in [0, -1, i32::MIN] {
        assert_eq!(line.return_units(Refunded::default(), quantity), Err(RefundError::NotPositive));
    }
    for quantity in [3, i32::MAX] {
        let error = line.return_units(Refunded::default(), quantity);
        assert_eq!(error, Err(RefundError::TooManyUnits { left: 2 }));
    }
    for amount in [0, -1, i64::MIN] {
        assert_eq!(line.refund_amount(Refunded::default(), amount), Err(RefundError::NotPositive));
        assert_eq!(refund_order(&[(line, Refunded::default())], amount), Err(RefundError::NotPositive));
    }
    let before = refunded(1, 1000);
    assert_eq!(line.refund_amount(before, 1001), Err(RefundError::ExceedsPaid { left_minor: 1000 }));
    assert_eq!(refund_order(&[(line, before)], 1001), Err(RefundError::ExceedsPaid { left_minor: 1000 }));
}

#[test]
fn an_amount_is_divided_in_proportion_to_what_is_left() {
    let parts = [(paid(1, 3000, 0), Refunded::default()), (paid(1, 2000, 0), refunded(0, 1000))];
    let amounts =
        refund_order(&parts, 800).unwrap().iter().map(|refund| refund.amount_minor).collect::<Vec<_>>();
    assert_eq!(amounts, [600, 200]);
    assert_eq!(refund_order(&[], 1), Err(RefundError::ExceedsPaid { left_minor: 0 }));
}

/// Something that a merchant does.
#[derive(Clone, Debug)]
enum Step {
    Return { part: usize, quantity: i32 },
    Amount { part: usize, amount_minor: i64 },
    Order { amount_minor: i64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    let part = 0..9_usize;
    let amount = || prop_oneof![1..=50_i64, 1..=50_000_i64];
    prop_oneof![
        (part.clone(), prop_oneof![1..=3_i32, 1..=9_999_i32])
            .prop_map(|(part, quantity)| Step::Return { part, quantity }),
        (part, amount()).prop_map(|(part, amount_minor)| Step::Amount { part, amount_minor }),
        amount().prop_map(|amount_minor| Step::Order { amount_minor }),
    ]
}

/// What was paid for each line of an order, and for its shipping.
fn parts(quantities: impl Iterator<Item = i32>, priced: &Breakdown) -> Vec<Paid> {
    let lines = priced.lines.iter().zip(quantities);
    let lines = lines.map(|(line, quantity)| paid(quantity, line.total_minor, line.tax_minor));
    lines.chain([paid(1, priced.shipping.total_minor, priced.shipping.tax_minor)]).collect()
}

/// Refunds of an order, as they are stored.
struct Order {
    paid: Vec<Paid>,
    refunded: Vec<Refunded>,
    tax_minor: i64,
    amount_minor: i64,
}

impl Order {
    fn new(paid: Vec<Paid>) -> Self {
        let refunded = vec![Refunded::default(); paid.len()];
        Self { paid, refunded, tax_minor: 0, amount_minor: 0 }
    }

    fn add(&mut self, part: usize, refund: Refund) -> Result<(), TestCaseError> {
        prop_assert!((0..=refund.amount_minor).contains(&refund.tax_minor), "{refund:?}");
        self.refunded[part] = self.refunded[part].plus(refund);
        self.tax_minor += refund.tax_minor;
        self.amount_minor += refund.amount_minor;
        prop_assert!(self.refunded[part].amount_minor <= self.paid[part].total_minor);
        Ok(())
    }

    /// Does what a merchant asks for, if it is possible.
    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Return { part, quantity } => {
                let part = part % self.paid.len();
                if let Ok(refund) = self.paid[part].return_units(self.refunded[part], quantity) {
                    self.add(part, refund)?;
                }
            }
            Step::Amount { part, amount_minor } => {
                let part = part % self.paid.len();
                if let Ok(refund) = self.paid[part].refund_amount(self.refunded[part], amount_minor) {
                    self.add(part, refund)?;
                }
            }
            Step::Order { amount_minor } => {
                let parts: Vec<_> = self.paid.iter().copied().zip(self.refunded.iter().copied()).collect();
                if let Ok(refunds) = refund_order(&parts, amount_minor) {
                    let total: i64 = refunds.iter().map(|refund| refund.amount_minor).sum();
                    prop_assert_eq!(total, amount_minor);
                    for (part, refund) in refunds.into_iter().enumerate() {
                        self.add(part, refund)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns all units that are left.
    fn return_everything(&mut self) -> Result<(), TestCaseError> {
        for part in 0..self.paid.len() {
            let left = self.paid[part].quantity - self.refunded[part].quantity;
            if left > 0 {
                let refund = self.paid[part].return_units(self.refunded[part], left).unwrap();
                self.add(part, refund)?;
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_order_of_returns_gives_back_exactly_what_was_paid(
        cart in any_cart(),
        steps in vec(any_step(), 0..24),
    ) {
        let priced = price(&cart).unwrap();
        let mut order = Order::new(parts(cart.lines.iter().map(|line| line.quantity), &priced));
        for step in &steps {
            order.step(step)?;
            prop_assert!(order.amount_minor <= priced.total_minor);
        }
        order.return_everything()?;
        prop_assert_eq!(order.amount_minor, priced.total_minor);
        prop_assert_eq!(order.tax_minor, priced.tax_total_minor);
        for (paid, refunded) in order.paid.iter().zip(&order.refunded) {
            prop_assert_eq!(paid.total_minor, refunded.amount_minor);
        }
    }

    #[test]
    fn a_returned_unit_gives_back_its_price_to_the_unit(
        quantity in 1..=50_i32, total_minor in 0..=100_000_i64, sizes in vec(1..=7_i32, 50),
    ) {
        let line = paid(quantity, total_minor, 0);
        let mut before = Refunded::default();
        for size in sizes {
            let size = size.min(quantity - before.quantity);
            if size == 0 {
                break;
            }
            let refund = line.return_units(before, size).unwrap();
            let error = i128::from(refund.amount_minor) * i128::from(quantity)
                - i128::from(total_minor) * i128::from(size);
            prop_assert!(error.abs() <= i128::from(quantity), "{refund:?} of {line:?}");
            before = before.plus(refund);
        }
        prop_assert_eq!(before.amount_minor, total_minor);
    }
}
