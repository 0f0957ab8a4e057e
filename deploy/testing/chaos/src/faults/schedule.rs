//! The sequence of faults in a lane, drawn from a seed.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::fault::{Fault, FaultKind, Lane};
use crate::cluster::Role;

/// An endless sequence of faults, the same for the same seed.
pub(crate) struct Schedule {
    rng: StdRng,
    kinds: Vec<FaultKind>,
    standalone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScheduledFault {
    /// The time without a fault before it.
    pub(crate) pause: Duration,
    pub(crate) fault: Fault,
}

impl Schedule {
    /// Returns `None` if none of these faults happens in the lane. A standalone store has no network between its parts.
    pub(crate) fn new(lane: Lane, kinds: &[FaultKind], seed: u64, standalone: bool) -> Option<Self> {
        let kinds: Vec<FaultKind> = kinds.iter().copied().filter(|kind| kind.lane() == Some(lane)).collect();
        if kinds.is_empty() || (standalone && lane == Lane::Network) {
            return None;
        }
        // Each lane draws its own numbers.
        let seed = seed.wrapping_mul(Lane::ALL.len() as u64).wrapping_add(lane as u64);
        Some(Self { rng: StdRng::seed_from_u64(seed), kinds, standalone })
    }
}

impl Iterator for Schedule {
    type Item = ScheduledFault;

    fn next(&mut self) -> Option<ScheduledFault> {
        let kind = *self.kinds.choose(&mut self.rng)?;
        let roles: &[Role] = match kind {
            FaultKind::Roll if self.standalone => &[Role::Gateway],
            FaultKind::Kill | FaultKind::Pause if self.standalone => &[Role::Postgres, Role::Gateway],
            FaultKind::Roll => &Role::PROCESSES,
            _ => &Role::ALL,
        };
        let role = *roles.choose(&mut self.rng)?;
        // In milliseconds.
        let (pause, duration) = match kind {
            FaultKind::Kill => (1_000..3_500, 50..1_000),
            FaultKind::Roll => (500..2_000, 0..1),
            // Longer than every deadline and most leases, with time for clients to make progress in between.
            FaultKind::Pause => (3_000..6_000, 2_500..6_000),
            FaultKind::CutDatabase => (500..4_000, 0..1),
            FaultKind::SilentDatabase => (6_000..12_000, 2_500..6_000),
            FaultKind::SlowCatalog => (6_000..12_000, 2_500..5_000),
            FaultKind::SlowStripe | FaultKind::LostReplies | FaultKind::Webhooks => {
                (500..3_000, 3_000..9_000)
            }
            FaultKind::ExpiringTokens => (1_000..1_001, 0..1),
        };
        let mut draw = |range| Duration::from_millis(self.rng.random_range(range));
        Some(ScheduledFault { pause: draw(pause), fault: Fault { kind, role, duration: draw(duration) } })
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    fn faults(lane: Lane, seed: u64) -> Vec<ScheduledFault> {
        Schedule::new(lane, FaultKind::value_variants(), seed, false).unwrap().take(200).collect()
    }

    #[test]
    fn a_seed_determines_every_fault() {
        for lane in Lane::ALL {
            assert_eq!(faults(lane, 7), faults(lane, 7));
            assert_ne!(faults(lane, 7), faults(lane, 8));
        }
    }

    #[test]
    fn schedules_every_fault_for_every_process_it_can_affect() {
        let faults: Vec<_> = Lane::ALL.into_iter().flat_map(|lane| faults(lane, 7)).collect();
        for &kind in FaultKind::value_variants() {
            let is_scheduled = faults.iter().any(|scheduled| scheduled.fault.kind == kind);
            assert_eq!(is_scheduled, kind.lane().is_some(), "{kind}");
        }
        for role in Role::ALL {
            for kind in [FaultKind::Kill, FaultKind::Pause] {
                let matches = |fault: Fault| (fault.kind, fault.role) == (kind, role);
                assert!(faults.iter().any(|scheduled| matches(scheduled.fault)));
            }
        }
    }

    #[test]
    fn schedules_only_the_given_faults() {
        let kinds = [FaultKind::Kill, FaultKind::Webhooks];
        let schedule = Schedule::new(Lane::Processes, &kinds, 7, false).unwrap();
        assert!(schedule.take(50).all(|scheduled| scheduled.fault.kind == FaultKind::Kill));
        assert!(Schedule::new(Lane::Network, &[FaultKind::Kill], 7, false).is_none());
        let standalone = Schedule::new(Lane::Network, &[FaultKind::CutDatabase], 7, true);
        assert!(standalone.is_none(), "there is no network");
    }
}
