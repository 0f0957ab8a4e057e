//! What must hold after a run, once the store is quiet.
//!
//! The data is read once: from the database ([`snapshot`]), over REST ([`rest`]), from the Stripe double
//! ([`payment_ledger`]) and from the clients' journal ([`exchanges`]). Each invariant is then a pure function of it:
//! [`stock`], [`payments`], [`acknowledged`], [`pending_work`], [`idempotency`] and [`selling`]. They share no code or SQL with
//! `bodega verify`, so that they do not share its mistakes.

mod acknowledged;
mod exchanges;
#[cfg(test)]
mod fixtures;
mod guests;
mod idempotency;
mod payment_ledger;
mod payments;
mod pending_work;
mod rest;
mod selling;
mod snapshot;
mod stock;
#[cfg(test)]
mod tests;

use self::{payment_ledger::PaymentLedger, rest::RestState, snapshot::Snapshot};
use crate::{
    cluster::Cluster,
    journal::{Exchange, Journal},
};

/// Returns a line for each violation, which names the invariant and the object. Checks once: the store must be quiet.
///
/// # Errors
/// The database or the store does not respond.
pub(crate) async fn check(
    cluster: &Cluster,
    journal: &Journal,
    guests: &Journal,
) -> anyhow::Result<Vec<String>> {
    let snapshot = snapshot::read(&cluster.database_url()).await?;
    let rest = RestState::read(cluster.url(), cluster.admin()).await?;
    let ledger = PaymentLedger::of(cluster.stripe());
    let mut violations = find_violations(&snapshot, &rest, &ledger, &journal.exchanges());
    violations.extend(guests::find_violations(&snapshot, &guests.exchanges()));
    Ok(violations)
}

/// Counts open orders, payments, refunds, deliveries and events. Cheap enough to be called several times a second.
///
/// # Errors
/// The database does not respond.
pub(crate) async fn count_pending_work(cluster: &Cluster) -> anyhow::Result<u64> {
    let ledger = PaymentLedger::of(cluster.stripe());
    let pending = snapshot::count_pending_work(&cluster.database_url(), &ledger.succeeded_intents).await?;
    Ok(pending.saturating_add(ledger.pending_refunds().count() as u64))
}

fn find_violations(
    snapshot: &Snapshot,
    rest: &RestState,
    ledger: &PaymentLedger,
    exchanges: &[Exchange],
) -> Vec<String> {
    let violations = [
        ("I1 stock", stock::find_violations(snapshot, &rest.products)),
        ("I2 payments", payments::find_violations(snapshot, ledger)),
        ("I3 acknowledged", acknowledged::find_violations(snapshot, rest, exchanges)),
        ("I4 pending work", pending_work::find_violations(snapshot, ledger)),
        ("I5 idempotency", idempotency::find_violations(snapshot, exchanges)),
        ("I6 selling", selling::find_violations(snapshot, exchanges)),
    ];
    let named = violations.into_iter().flat_map(|(invariant, violations)| {
        violations.into_iter().map(move |violation| format!("{invariant}: {violation}"))
    });
    named.collect()
}
