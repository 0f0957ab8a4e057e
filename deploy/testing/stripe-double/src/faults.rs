//! What goes wrong on purpose.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::api::Operation;

/// Something that goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// The connection is closed, and nothing was done.
    DropBefore,
    /// All was done, and the connection is closed without an answer.
    DropAfter,
    /// Nothing is done for so long; the call's idempotency key is in use meanwhile.
    DelayBefore(Duration),
    /// All was done at once, and the answer comes so much later.
    DelayAfter(Duration),
    /// 500, and nothing was done. Kept under the call's idempotency key.
    ErrorBefore,
    /// 500, though all was done. Kept under the call's idempotency key.
    ErrorAfter,
    /// 429, and nothing was done. Not kept.
    RateLimited,
}

/// What goes wrong, with which calls.
pub(crate) struct Faults {
    rules: Vec<Rule>,
    rng: StdRng,
}

struct Rule {
    operation: Operation,
    fault: Fault,
    when: When,
}

enum When {
    Next(u32),
    Sometimes(f64),
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rules: Vec::new(), rng: StdRng::seed_from_u64(seed) }
    }

    pub(crate) fn next(&mut self, operation: Operation, fault: Fault, calls: u32) {
        if calls > 0 {
            self.rules.push(Rule { operation, fault, when: When::Next(calls) });
        }
    }

    pub(crate) fn sometimes(&mut self, operation: Operation, fault: Fault, probability: f64) {
        self.rules.push(Rule { operation, fault, when: When::Sometimes(probability.clamp(0.0, 1.0)) });
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// What goes wrong with the next call of a kind.
    pub(crate) fn draw(&mut self, operation: Operation) -> Vec<Fault> {
        let mut drawn = Vec::new();
        for rule in self.rules.iter_mut().filter(|rule| rule.operation == operation) {
            let strikes = match &mut rule.when {
                When::Next(calls) => {
                    *calls -= 1;
                    true
                }
                When::Sometimes(probability) => self.rng.random_bool(*probability),
            };
            if strikes {
                drawn.push(rule.fault);
            }
        }
        self.rules.retain(|rule| !matches!(rule.when, When::Next(0)));
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_strikes_the_same_calls() {
        let strikes = |seed| {
            let mut faults = Faults::new(seed);
            faults.sometimes(Operation::Confirm, Fault::DropAfter, 0.3);
            let calls = (0..1000).map(|_| !faults.draw(Operation::Confirm).is_empty());
            calls.collect::<Vec<_>>()
        };
        assert_eq!(strikes(1), strikes(1));
        assert_ne!(strikes(1), strikes(2));
        let struck = strikes(1).into_iter().filter(|struck| *struck).count();
        assert!((250..350).contains(&struck), "{struck}");
    }

    #[test]
    fn a_fault_of_the_next_calls_is_over_after_them_and_is_of_one_kind_of_call() {
        let mut faults = Faults::new(0);
        faults.next(Operation::Refund, Fault::RateLimited, 2);
        faults.next(Operation::Refund, Fault::DropAfter, 1);
        assert_eq!(faults.draw(Operation::Create), []);
        assert_eq!(faults.draw(Operation::Refund), [Fault::RateLimited, Fault::DropAfter]);
        assert_eq!(faults.draw(Operation::Refund), [Fault::RateLimited]);
        assert_eq!(faults.draw(Operation::Refund), []);
    }
}
