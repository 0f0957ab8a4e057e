//! A database whose processes all stand still: connections stay open, and nobody is at the other end.

use super::{
    figures::Figures,
    outage::{self, Outage},
};
use crate::fleet::{Fleet, Role};

/// Measures what becomes of the store meanwhile, and when it is back.
///
/// # Errors
/// When the database cannot be paused or resumed, or the store refuses customers.
pub(crate) async fn run(fleet: &Fleet, outage: Outage) -> anyhow::Result<Figures> {
    let begin = async || fleet.pause(Role::Postgres).await;
    let end = async || fleet.resume(Role::Postgres).await;
    outage::measure(fleet, outage, "Postgres is stopped with SIGSTOP", begin, end).await
}
