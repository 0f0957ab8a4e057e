//! Injected faults.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::call::Operation;

/// A fault that affects one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// The connection is closed before the request is executed.
    DropBefore,
    /// The request is executed, then the connection is closed without a response.
    DropAfter,
    /// The request is executed after a delay; its idempotency key is in use during the delay.
    DelayBefore(Duration),
    /// The request is executed at once; the response is delayed.
    DelayAfter(Duration),
    /// The response is 500 and the request is not executed; stored under the idempotency key.
    ErrorBefore,
    /// The response is 500 although the request is executed; stored under the idempotency key.
    ErrorAfter,
    /// The response is 429 and the request is not executed; not stored.
    RateLimited,
    /// The response is 404 and the request is not executed, as with the keys of another account; not stored.
    OtherAccount,
}

/// The rules that select faults.
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

    pub(crate) fn fail_next(&mut self, operation: Operation, fault: Fault, calls: u32) {
        if calls > 0 {
            self.rules.push(Rule { operation, fault, when: When::Next(calls) });
        }
    }

    pub(crate) fn fail_sometimes(&mut self, operation: Operation, fault: Fault, probability: f64) {
        self.rules.push(Rule { operation, fault, when: When::Sometimes(probability.clamp(0.0, 1.0)) });
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Selects the faults of the next request of a kind.
    pub(crate) fn draw(&mut self, operation: Operation) -> Vec<Fault> {
        let mut drawn = Vec::new();
        for rule in self.rules.iter_mut().filter(|rule| rule.operation == operation) {
            let applies = match &mut rule.when {
                When::Next(calls) => {
                    *calls -= 1;
                    true
                }
                When::Sometimes(probability) => self.rng.random_bool(*probability),
            };
            if applies {
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
    fn the_same_seed_selects_the_same_requests() {
        let faulty_requests = |seed| {
            let mut faults = Faults::new(seed);
            faults.fail_sometimes(Operation::Confirm, Fault::DropAfter, 0.3);
            let calls = (0..1000).map(|_| !faults.draw(Operation::Confirm).is_empty());
            calls.collect::<Vec<_>>()
        };
        assert_eq!(faulty_requests(1), faulty_requests(1));
        assert_ne!(faulty_requests(1), faulty_requests(2));
        let faulty = faulty_requests(1).into_iter().filter(|faulty| *faulty).count();
        assert!((250..350).contains(&faulty), "{faulty}");
    }

    #[test]
    fn a_fault_of_the_next_requests_applies_to_that_many_of_its_kind() {
        let mut faults = Faults::new(0);
        faults.fail_next(Operation::Refund, Fault::RateLimited, 2);
        faults.fail_next(Operation::Refund, Fault::DropAfter, 1);
        assert_eq!(faults.draw(Operation::Create), []);
        assert_eq!(faults.draw(Operation::Refund), [Fault::RateLimited, Fault::DropAfter]);
        assert_eq!(faults.draw(Operation::Refund), [Fault::RateLimited]);
        assert_eq!(faults.draw(Operation::Refund), []);
    }
}
