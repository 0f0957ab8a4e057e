//! Which fault happens when: drawn from a seed.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use crate::{
    faults::{Fault, Kind, Lane},
    fleet::Role,
};

/// An endless row of faults in one lane, the same for the same seed.
pub(crate) struct Plan {
    choices: StdRng,
    kinds: Vec<Kind>,
    standalone: bool,
}

/// A fault, and the peace before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// How long nothing happens.
    pub(crate) peace: Duration,
    /// What happens then.
    pub(crate) fault: Fault,
}

impl Plan {
    /// The plan of a lane with such faults; `None` where none of them happens in it. A store in one process has no
    /// network between its parts.
    pub(crate) fn new(lane: Lane, kinds: &[Kind], seed: u64, standalone: bool) -> Option<Self> {
        let kinds: Vec<Kind> = kinds.iter().copied().filter(|kind| kind.lane() == Some(lane)).collect();
        if kinds.is_empty() || (standalone && lane == Lane::Network) {
            return None;
        }
        // Lanes must not make the same choices.
        let choices =
            StdRng::seed_from_u64(seed.wrapping_mul(Lane::ALL.len() as u64).wrapping_add(lane as u64));
        Some(Self { choices, kinds, standalone })
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let kind = *self.kinds.choose(&mut self.choices)?;
        let roles: &[Role] = match kind {
            Kind::Roll if self.standalone => &[Role::Gateway],
            Kind::Kill | Kind::Pause if self.standalone => &[Role::Postgres, Role::Gateway],
            Kind::Roll => &Role::PROCESSES,
            _ => &Role::ALL,
        };
        let role = *roles.choose(&mut self.choices)?;
        // In milliseconds.
        let (peace, lasts) = match kind {
            Kind::Kill => (1_000..3_500, 50..1_000),
            Kind::Roll => (500..2_000, 0..1),
            // Longer than every deadline, and than most leases; but shoppers are to get on in between.
            Kind::Pause => (3_000..6_000, 2_500..6_000),
            Kind::CutDatabase => (500..4_000, 0..1),
            Kind::SilentDatabase => (6_000..12_000, 2_500..6_000),
            Kind::SlowCatalog => (6_000..12_000, 2_500..5_000),
            Kind::SlowStripe | Kind::LostReplies | Kind::Webhooks => (500..3_000, 3_000..9_000),
            Kind::ExpiringTokens => (1_000..1_001, 0..1),
        };
        let mut draw = |range| Duration::from_millis(self.choices.random_range(range));
        Some(Step { peace: draw(peace), fault: Fault { kind, role, lasts: draw(lasts) } })
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    fn steps(lane: Lane, seed: u64) -> Vec<Step> {
        Plan::new(lane, Kind::value_variants(), seed, false).unwrap().take(200).collect()
    }

    #[test]
    fn a_seed_fixes_every_choice() {
        for lane in Lane::ALL {
            assert_eq!(steps(lane, 7), steps(lane, 7));
            assert_ne!(steps(lane, 7), steps(lane, 8));
        }
    }

    #[test]
    fn every_fault_happens_to_everybody_it_can_happen_to() {
        let steps: Vec<_> = Lane::ALL.into_iter().flat_map(|lane| steps(lane, 7)).collect();
        for &kind in Kind::value_variants() {
            let happens = steps.iter().any(|step| step.fault.kind == kind);
            assert_eq!(happens, kind.lane().is_some(), "{kind}");
        }
        for role in Role::ALL {
            for kind in [Kind::Kill, Kind::Pause] {
                assert!(steps.iter().any(|step| (step.fault.kind, step.fault.role) == (kind, role)));
            }
        }
    }

    #[test]
    fn only_the_faults_that_are_asked_for_happen() {
        let plan = Plan::new(Lane::Processes, &[Kind::Kill, Kind::Webhooks], 7, false).unwrap();
        assert!(plan.take(50).all(|step| step.fault.kind == Kind::Kill));
        assert!(Plan::new(Lane::Network, &[Kind::Kill], 7, false).is_none());
        assert!(Plan::new(Lane::Network, &[Kind::CutDatabase], 7, true).is_none(), "there is no network");
    }
}
