//! How many of a product a cart may hold, when it is not known of every change whether and when it was made.
//!
//! All possibilities are kept: a quantity, with the changes that may still come. A change that was answered has been
//! made; one that was not may be made any time within [`LATEST`], or never. What a reader sees rules possibilities out,
//! and where none is left it saw what cannot be.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::invariants::reading::Step;

/// After so long a change that was not answered is not made any more: no fault holds it up for longer.
pub(super) const LATEST: Duration = Duration::from_secs(120);
/// How many possibilities are followed; with more, anything goes.
const MOST: usize = 1000;

/// Quantities, each with the changes that may still be made, in order. Complete: whatever may follow from one of them by
/// such a change is among them.
type Possible = BTreeSet<(i64, Vec<Step>)>;

/// How many of one product one cart may hold.
pub(super) struct Quantities {
    /// `None` when it is too much to follow.
    possible: Option<Possible>,
    /// How many changes of a kind may still be made at most. Which of them it is that was made makes no difference.
    open: BTreeMap<Step, usize>,
}

impl Quantities {
    /// Of a cart that is empty.
    pub(super) fn none() -> Self {
        Self { possible: Some(Possible::from([(0, Vec::new())])), open: BTreeMap::new() }
    }

    /// A change may be made from now on.
    pub(super) fn begin(&mut self, step: Step) {
        *self.open.entry(step).or_default() += 1;
        let Some(possible) = self.possible.take() else { return };
        let with = |(quantity, mut pending): (i64, Vec<Step>)| {
            pending.insert(pending.partition_point(|other| *other < step), step);
            (quantity, pending)
        };
        self.possible = complete(possible.into_iter().map(with).collect());
    }

    /// A change has been made by now.
    pub(super) fn end(&mut self, step: Step) {
        let left = self.close(step);
        if let Some(possible) = &mut self.possible {
            possible.retain(|(_, pending)| count(pending, step) <= left);
        }
    }

    /// A change that has not been made by now never will be.
    pub(super) fn forget(&mut self, step: Step) {
        let left = self.close(step);
        let Some(possible) = self.possible.take() else { return };
        let without = |(quantity, mut pending): (i64, Vec<Step>)| {
            if count(&pending, step) > left {
                pending.remove(pending.partition_point(|other| *other < step));
            }
            (quantity, pending)
        };
        self.possible = complete(possible.into_iter().map(without).collect());
    }

    /// A reader saw this quantity.
    ///
    /// # Errors
    /// All that it could have been, when that is something else.
    pub(super) fn see(&mut self, seen: i64) -> Result<(), Vec<i64>> {
        let Some(possible) = self.possible.take() else { return Ok(()) };
        let could_be: BTreeSet<_> = possible.iter().map(|(quantity, _)| *quantity).collect();
        if !could_be.contains(&seen) {
            return Err(could_be.into_iter().collect());
        }
        self.possible = complete(possible.into_iter().filter(|(quantity, _)| *quantity == seen).collect());
        Ok(())
    }

    /// One change of this kind less may be made; how many are left.
    fn close(&mut self, step: Step) -> usize {
        let open = self.open.entry(step).or_default();
        *open = open.saturating_sub(1);
        *open
    }
}

/// With all that may follow; `None` when that is too much.
fn complete(mut possible: Possible) -> Option<Possible> {
    let mut new: Vec<_> = possible.iter().cloned().collect();
    while let Some((quantity, pending)) = new.pop() {
        for (index, step) in pending.iter().enumerate() {
            let mut rest = pending.clone();
            rest.remove(index);
            let next = (step.apply(quantity), rest);
            if possible.insert(next.clone()) {
                new.push(next);
            }
        }
        if possible.len() > MOST {
            return None;
        }
    }
    Some(possible)
}

fn count(pending: &[Step], step: Step) -> usize {
    pending.iter().filter(|other| **other == step).count()
}

#[cfg(test)]
mod tests {
    use Step::{Add, Order, Set};

    use super::*;

    fn made(steps: &[Step]) -> Quantities {
        let mut quantities = Quantities::none();
        for step in steps {
            quantities.begin(*step);
            quantities.end(*step);
        }
        quantities
    }

    /// What may be seen.
    fn could_be(quantities: &Quantities) -> Vec<i64> {
        let possible = quantities.possible.iter().flatten().map(|(quantity, _)| *quantity);
        possible.collect::<BTreeSet<_>>().into_iter().collect()
    }

    #[test]
    fn changes_that_were_made_leave_one_possibility() {
        assert_eq!(could_be(&made(&[])), [0]);
        assert_eq!(could_be(&made(&[Add(2), Add(2), Set(3), Order(1)])), [2]);
    }

    #[test]
    fn a_change_that_is_under_way_may_have_been_made_or_not() {
        let mut quantities = made(&[Add(1)]);
        quantities.begin(Add(2));
        assert_eq!(could_be(&quantities), [1, 3]);
        quantities.end(Add(2));
        assert_eq!(could_be(&quantities), [3]);
    }

    #[test]
    fn changes_at_the_same_time_may_be_made_in_any_order() {
        let mut quantities = made(&[Add(1)]);
        for step in [Add(2), Set(5)] {
            quantities.begin(step);
        }
        for step in [Add(2), Set(5)] {
            quantities.end(step);
        }
        assert_eq!(could_be(&quantities), [5, 7]);
    }

    #[test]
    fn what_was_seen_rules_out_the_rest() {
        let mut quantities = made(&[Add(1)]);
        quantities.begin(Add(2));
        quantities.see(3).unwrap();
        assert_eq!(could_be(&quantities), [3], "it was made, and is not made twice");
        assert_eq!(quantities.see(1), Err(vec![3]));
    }

    #[test]
    fn what_was_not_made_yet_may_come_later() {
        let mut quantities = made(&[Add(1)]);
        quantities.begin(Add(2));
        quantities.see(1).unwrap();
        assert_eq!(could_be(&quantities), [1, 3]);
        quantities.forget(Add(2));
        assert_eq!(could_be(&quantities), [1, 3], "it may have been made since");
        quantities.see(1).unwrap();
        assert_eq!(could_be(&quantities), [1], "and cannot any more");
    }

    #[test]
    fn of_equal_changes_each_is_made_once_at_most() {
        let mut quantities = Quantities::none();
        quantities.begin(Add(2)); // never answered
        quantities.begin(Add(2));
        assert_eq!(could_be(&quantities), [0, 2, 4]);
        quantities.end(Add(2));
        assert_eq!(could_be(&quantities), [2, 4]);
        assert_eq!(quantities.see(6), Err(vec![2, 4]));
    }

    #[test]
    fn of_equal_changes_one_may_be_forgotten_and_the_other_made() {
        let mut quantities = Quantities::none();
        quantities.begin(Add(2)); // never answered
        quantities.begin(Add(2));
        quantities.forget(Add(2));
        quantities.end(Add(2));
        assert_eq!(could_be(&quantities), [2, 4]);
    }

    #[test]
    fn where_too_much_is_possible_anything_goes() {
        let mut quantities = Quantities::none();
        for more in 0..20 {
            quantities.begin(Add(1 << more));
        }
        assert_eq!(quantities.see(-1), Ok(()));
    }
}
