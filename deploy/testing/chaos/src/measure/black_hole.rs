//! A database that accepts connections and never answers: nothing comes out at either end, not even that one was closed.

use super::{
    figures::Figures,
    outage::{self, Outage},
};
use crate::{
    fleet::{Fleet, Role},
    proxy::Mode,
};

/// Measures what becomes of the store meanwhile, and when it is back.
///
/// # Errors
/// When the store refuses customers.
pub(crate) async fn run(fleet: &Fleet, outage: Outage) -> anyhow::Result<Figures> {
    let proxy = fleet.proxy(Role::Postgres);
    let set = async |mode| {
        proxy.set(mode);
        Ok(())
    };
    let (begin, end) = (async || set(Mode::BlackHole).await, async || set(Mode::Pass).await);
    outage::measure(fleet, outage, "Postgres accepts connections and never answers", begin, end).await
}
