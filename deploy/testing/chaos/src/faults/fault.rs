//! The faults of a run: each starts, lasts for a while, and ends.

use std::{fmt, time::Duration};

use bodega_stripe_double::{DeliveryPolicy, Fault as StripeFault, Operation};
use clap::ValueEnum;
use tokio::time::sleep;

use crate::{
    cluster::{Cluster, Role},
    proxy::Mode,
};

/// Longer than every deadline in the store.
const DELAY: Duration = Duration::from_secs(10);
/// The probability that a request to Stripe is affected.
const STRIPE_FAULT_PROBABILITY: f64 = 0.3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub(crate) enum FaultKind {
    /// `kill -9` of a process, or an immediate shutdown of Postgres; restarted after a while
    Kill,
    /// SIGSTOP, then SIGCONT after longer than every deadline
    Pause,
    /// A rolling restart of a process under load
    Roll,
    /// All connections to the database are closed
    CutDatabase,
    /// The database accepts connections and never responds
    SilentDatabase,
    /// Requests to catalog arrive 10 s late
    SlowCatalog,
    /// Stripe's responses arrive 10 s late
    SlowStripe,
    /// Stripe's responses are lost after it has processed the request
    LostReplies,
    /// Webhooks are lost, duplicated and reordered
    Webhooks,
    /// Access tokens expire after 6 s
    ExpiringTokens,
}

impl FaultKind {
    /// Returns the lane of the fault; `None` if it lasts for the whole run.
    pub(crate) fn lane(self) -> Option<Lane> {
        match self {
            Self::Kill | Self::Pause | Self::Roll => Some(Lane::Processes),
            Self::CutDatabase | Self::SilentDatabase | Self::SlowCatalog => Some(Lane::Network),
            Self::SlowStripe | Self::LostReplies | Self::Webhooks => Some(Lane::Stripe),
            Self::ExpiringTokens => None,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// Faults of one lane happen one after another, those of different lanes at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Processes,
    Network,
    Stripe,
}

impl Lane {
    pub(crate) const ALL: [Self; 3] = [Self::Processes, Self::Network, Self::Stripe];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// The affected process, for faults of [`Lane::Processes`].
    pub(crate) role: Role,
    pub(crate) duration: Duration,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind.lane() {
            Some(Lane::Processes) => write!(f, "{} {}", self.kind, self.role),
            _ => write!(f, "{}", self.kind),
        }
    }
}

impl Fault {
    /// Starts the fault, waits, and ends it.
    ///
    /// # Errors
    /// The cluster cannot be broken or restored.
    pub(crate) async fn inject(self, cluster: &Cluster) -> anyhow::Result<()> {
        let Self { kind, role, duration } = self;
        match kind {
            FaultKind::Kill => {
                cluster.kill(role).await?;
                sleep(duration).await;
                cluster.restart(role).await?;
            }
            FaultKind::Pause => {
                cluster.pause(role)?;
                sleep(duration).await;
                cluster.resume(role)?;
            }
            FaultKind::Roll => cluster.rolling_restart(role).await?,
            FaultKind::CutDatabase => cluster.proxy(Role::Postgres).close_connections(),
            FaultKind::SilentDatabase => with_mode(cluster, Role::Postgres, Mode::BlackHole, duration).await,
            FaultKind::SlowCatalog => with_mode(cluster, Role::Catalog, Mode::Delay(DELAY), duration).await,
            FaultKind::SlowStripe => {
                with_stripe_fault(cluster, StripeFault::DelayAfter(DELAY), duration).await
            }
            FaultKind::LostReplies => with_stripe_fault(cluster, StripeFault::DropAfter, duration).await,
            FaultKind::Webhooks => {
                let unreliable = DeliveryPolicy {
                    loss: 0.3,
                    duplicates: 2,
                    window: Duration::from_secs(2),
                    ..DeliveryPolicy::default()
                };
                cluster.stripe().set_delivery_policy(unreliable);
                sleep(duration).await;
                cluster.stripe().set_delivery_policy(DeliveryPolicy::default());
            }
            FaultKind::ExpiringTokens => {}
        }
        Ok(())
    }
}

async fn with_mode(cluster: &Cluster, role: Role, mode: Mode, duration: Duration) {
    cluster.proxy(role).set_mode(mode);
    sleep(duration).await;
    cluster.proxy(role).set_mode(Mode::Forward);
}

async fn with_stripe_fault(cluster: &Cluster, fault: StripeFault, duration: Duration) {
    let operations =
        [Operation::Create, Operation::Confirm, Operation::Cancel, Operation::Refund, Operation::Retrieve];
    for operation in operations {
        cluster.stripe().fail_sometimes(operation, fault, STRIPE_FAULT_PROBABILITY);
    }
    sleep(duration).await;
    cluster.stripe().clear_faults();
}
