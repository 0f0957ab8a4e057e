//! What can go wrong: each fault is brought about, lasts for a while, and is mended.

use std::{fmt, time::Duration};

use bodega_stripe_double::{DeliveryPolicy, Fault as StripeFault, Operation};
use clap::ValueEnum;
use tokio::time::sleep;

use crate::{
    fleet::{Fleet, Role},
    proxy::Mode,
};

/// How late a slow neighbour's answers come: beyond every deadline.
const SLOW: Duration = Duration::from_secs(10);
/// How probable it is that a reply of Stripe's is lost.
const LOST_REPLIES: f64 = 0.3;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub(crate) enum Kind {
    /// `kill -9` of a process, or an immediate shutdown of Postgres; it is started again after a while
    Kill,
    /// SIGSTOP, and SIGCONT later than every deadline
    Pause,
    /// SIGTERM to a process once another has taken its place, under load
    Roll,
    /// All connections to the database are cut
    CutDatabase,
    /// A database that accepts connections and never answers
    SilentDatabase,
    /// Whatever is sent to catalog arrives 10 s later
    SlowCatalog,
    /// Stripe answers 10 s later than it acts
    SlowStripe,
    /// Stripe's replies are lost, after it has acted
    LostReplies,
    /// Webhooks are lost, doubled and shuffled
    Webhooks,
    /// Access tokens expire in the middle of what shoppers do
    ExpiringTokens,
}

impl Kind {
    /// Where faults of this kind happen: those of one lane do so one after another, the lanes beside each other.
    pub(crate) fn lane(self) -> Option<Lane> {
        match self {
            Self::Kill | Self::Pause | Self::Roll => Some(Lane::Processes),
            Self::CutDatabase | Self::SilentDatabase | Self::SlowCatalog => Some(Lane::Network),
            Self::SlowStripe | Self::LostReplies | Self::Webhooks => Some(Lane::Stripe),
            // How the fleet is started, and so for the whole run.
            Self::ExpiringTokens => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// Where faults happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// To processes.
    Processes,
    /// Between processes.
    Network,
    /// At the payment provider.
    Stripe,
}

impl Lane {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Processes, Self::Network, Self::Stripe];
}

/// A fault that is going to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Its kind.
    pub(crate) kind: Kind,
    /// Whom it befalls, where it befalls a process.
    pub(crate) role: Role,
    /// How long it lasts.
    pub(crate) lasts: Duration,
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
    /// Brings it about, lets it last, and mends it.
    ///
    /// # Errors
    /// When the fleet cannot be broken or mended as it should be.
    pub(crate) async fn happen(self, fleet: &Fleet) -> anyhow::Result<()> {
        let Self { kind, role, lasts } = self;
        match kind {
            Kind::Kill => {
                fleet.kill(role).await?;
                sleep(lasts).await;
                fleet.restart(role).await?;
            }
            Kind::Pause => {
                fleet.pause(role).await?;
                sleep(lasts).await;
                fleet.resume(role).await?;
            }
            Kind::Roll => fleet.roll(role).await?,
            Kind::CutDatabase => fleet.proxy(Role::Postgres).cut(),
            Kind::SilentDatabase => slow_down(fleet, Role::Postgres, Mode::BlackHole, lasts).await,
            Kind::SlowCatalog => slow_down(fleet, Role::Catalog, Mode::Delay(SLOW), lasts).await,
            Kind::SlowStripe => trouble_stripe(fleet, StripeFault::DelayAfter(SLOW), lasts).await,
            Kind::LostReplies => trouble_stripe(fleet, StripeFault::DropAfter, lasts).await,
            Kind::Webhooks => {
                let lossy = DeliveryPolicy {
                    loss: 0.3,
                    duplicates: 2,
                    window: Duration::from_secs(2),
                    ..DeliveryPolicy::default()
                };
                fleet.stripe().set_delivery_policy(lossy);
                sleep(lasts).await;
                fleet.stripe().set_delivery_policy(DeliveryPolicy::default());
            }
            Kind::ExpiringTokens => {}
        }
        Ok(())
    }
}

async fn slow_down(fleet: &Fleet, role: Role, mode: Mode, lasts: Duration) {
    fleet.proxy(role).set(mode);
    sleep(lasts).await;
    fleet.proxy(role).set(Mode::Pass);
}

async fn trouble_stripe(fleet: &Fleet, fault: StripeFault, lasts: Duration) {
    let operations =
        [Operation::Create, Operation::Confirm, Operation::Cancel, Operation::Refund, Operation::Retrieve];
    for operation in operations {
        fleet.stripe().fail_sometimes(operation, fault, LOST_REPLIES);
    }
    sleep(lasts).await;
    fleet.stripe().clear_faults();
}
