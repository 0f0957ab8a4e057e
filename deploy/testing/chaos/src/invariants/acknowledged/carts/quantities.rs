//! The possible quantities of a product in a cart, when some changes have no known outcome.
//!
//! Each possible state is a quantity with the changes that may still be applied to it. A change with a successful
//! response has been applied. Any other change is applied at any time within [`PROCESSING_LIMIT`], or never. An observed
//! quantity excludes states, and contradicts the responses if no state is left.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::invariants::exchanges::QuantityChange;

/// The longest time for which a fault delays a request.
pub(super) const PROCESSING_LIMIT: Duration = Duration::from_secs(120);
/// The maximum number of states to track. With more, any quantity is accepted.
const MAX_STATES: usize = 1000;

/// Quantities with their open changes in order. Contains every state that follows from another one by such a change.
type States = BTreeSet<(i64, Vec<QuantityChange>)>;

pub(super) struct Quantities {
    /// `None` if there are too many.
    states: Option<States>,
    /// The maximum number of open changes of each kind. Which of several equal changes is applied makes no difference.
    open: BTreeMap<QuantityChange, usize>,
}

impl Quantities {
    pub(super) fn of_empty_cart() -> Self {
        Self { states: Some(States::from([(0, Vec::new())])), open: BTreeMap::new() }
    }

    /// Records that the change may be applied from now on.
    pub(super) fn start(&mut self, change: QuantityChange) {
        *self.open.entry(change).or_default() += 1;
        let Some(states) = self.states.take() else { return };
        let with_change = |(quantity, mut open): (i64, Vec<QuantityChange>)| {
            open.insert(open.partition_point(|other| *other < change), change);
            (quantity, open)
        };
        self.states = with_successors(states.into_iter().map(with_change).collect());
    }

    /// Records that the change has been applied by now.
    pub(super) fn complete(&mut self, change: QuantityChange) {
        let remaining = self.close(change);
        if let Some(states) = &mut self.states {
            states.retain(|(_, open)| count(open, change) <= remaining);
        }
    }

    /// Records that the change will not be applied any more if it has not been applied yet.
    pub(super) fn expire(&mut self, change: QuantityChange) {
        let remaining = self.close(change);
        let Some(states) = self.states.take() else { return };
        let without_change = |(quantity, mut open): (i64, Vec<QuantityChange>)| {
            if count(&open, change) > remaining {
                open.remove(open.partition_point(|other| *other < change));
            }
            (quantity, open)
        };
        self.states = with_successors(states.into_iter().map(without_change).collect());
    }

    /// Excludes the states with another quantity.
    ///
    /// # Errors
    /// No state has this quantity (with the possible ones).
    pub(super) fn observe(&mut self, observed: i64) -> Result<(), Vec<i64>> {
        let Some(states) = self.states.take() else { return Ok(()) };
        let possible: BTreeSet<_> = states.iter().map(|(quantity, _)| *quantity).collect();
        if !possible.contains(&observed) {
            return Err(possible.into_iter().collect());
        }
        self.states =
            with_successors(states.into_iter().filter(|(quantity, _)| *quantity == observed).collect());
        Ok(())
    }

    /// Returns how many changes of this kind are still open.
    fn close(&mut self, change: QuantityChange) -> usize {
        let open = self.open.entry(change).or_default();
        *open = open.saturating_sub(1);
        *open
    }
}

/// Adds all states that may follow; `None` if there are too many.
fn with_successors(mut states: States) -> Option<States> {
    let mut new: Vec<_> = states.iter().cloned().collect();
    while let Some((quantity, open)) = new.pop() {
        for (index, change) in open.iter().enumerate() {
            let mut rest = open.clone();
            rest.remove(index);
            let next = (change.apply(quantity), rest);
            if states.insert(next.clone()) {
                new.push(next);
            }
        }
        if states.len() > MAX_STATES {
            return None;
        }
    }
    Some(states)
}

fn count(open: &[QuantityChange], change: QuantityChange) -> usize {
    open.iter().filter(|other| **other == change).count()
}

#[cfg(test)]
mod tests {
    use QuantityChange::{Add, Order, Set};

    use super::*;

    fn after(changes: &[QuantityChange]) -> Quantities {
        let mut quantities = Quantities::of_empty_cart();
        for change in changes {
            quantities.start(*change);
            quantities.complete(*change);
        }
        quantities
    }

    fn possible(quantities: &Quantities) -> Vec<i64> {
        let possible = quantities.states.iter().flatten().map(|(quantity, _)| *quantity);
        possible.collect::<BTreeSet<_>>().into_iter().collect()
    }

    #[test]
    fn applied_changes_leave_one_quantity() {
        assert_eq!(possible(&after(&[])), [0]);
        assert_eq!(possible(&after(&[Add(2), Add(2), Set(3), Order(1)])), [2]);
    }

    #[test]
    fn an_open_change_may_have_been_applied_or_not() {
        let mut quantities = after(&[Add(1)]);
        quantities.start(Add(2));
        assert_eq!(possible(&quantities), [1, 3]);
        quantities.complete(Add(2));
        assert_eq!(possible(&quantities), [3]);
    }

    #[test]
    fn concurrent_changes_may_be_applied_in_any_order() {
        let mut quantities = after(&[Add(1)]);
        for change in [Add(2), Set(5)] {
            quantities.start(change);
        }
        for change in [Add(2), Set(5)] {
            quantities.complete(change);
        }
        assert_eq!(possible(&quantities), [5, 7]);
    }

    #[test]
    fn an_observed_quantity_excludes_the_others() {
        let mut quantities = after(&[Add(1)]);
        quantities.start(Add(2));
        quantities.observe(3).unwrap();
        assert_eq!(possible(&quantities), [3], "the change is not applied twice");
        assert_eq!(quantities.observe(1), Err(vec![3]));
    }

    #[test]
    fn an_open_change_may_be_applied_later() {
        let mut quantities = after(&[Add(1)]);
        quantities.start(Add(2));
        quantities.observe(1).unwrap();
        assert_eq!(possible(&quantities), [1, 3]);
        quantities.expire(Add(2));
        assert_eq!(possible(&quantities), [1, 3], "it may have been applied since");
        quantities.observe(1).unwrap();
        assert_eq!(possible(&quantities), [1], "it cannot be applied any more");
    }

    #[test]
    fn each_of_two_equal_changes_is_applied_at_most_once() {
        let mut quantities = Quantities::of_empty_cart();
        quantities.start(Add(2)); // without a response
        quantities.start(Add(2));
        assert_eq!(possible(&quantities), [0, 2, 4]);
        quantities.complete(Add(2));
        assert_eq!(possible(&quantities), [2, 4]);
        assert_eq!(quantities.observe(6), Err(vec![2, 4]));
    }

    #[test]
    fn one_of_two_equal_changes_may_expire_and_the_other_be_applied() {
        let mut quantities = Quantities::of_empty_cart();
        quantities.start(Add(2)); // without a response
        quantities.start(Add(2));
        quantities.expire(Add(2));
        quantities.complete(Add(2));
        assert_eq!(possible(&quantities), [2, 4]);
    }

    #[test]
    fn accepts_any_quantity_with_too_many_states() {
        let mut quantities = Quantities::of_empty_cart();
        for exponent in 0..20 {
            quantities.start(Add(1 << exponent));
        }
        assert_eq!(quantities.observe(-1), Ok(()));
    }
}
