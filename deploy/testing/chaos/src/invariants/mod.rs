//! What must hold once all is quiet, whatever was done to the store meanwhile.
//!
//! First everything is gathered, once: from the database ([`store`]), from the store's own answers ([`rest`]), from
//! Stripe's ledger ([`till`]), and from the journal of what shoppers were told ([`reading`]). Then each invariant is
//! judged by functions that ask nobody: [`stock`], [`money`], [`kept`], [`settled`] and [`once`]. They state it by other
//! means than the store's own `verify` does, so that the two do not share their mistakes.

mod kept;
mod money;
mod once;
mod reading;
mod rest;
mod settled;
mod stock;
mod store;
#[cfg(test)]
mod testing;
mod till;

use self::{rest::Shown, store::Books, till::Till};
use crate::{
    fleet::Fleet,
    journal::{Exchange, Journal},
};

/// Every violation of an invariant, in a line that says which one and what it is about; empty when all hold. Looks once:
/// what takes its time is to be over.
///
/// # Errors
/// When the database or the store does not answer.
pub(crate) async fn check(fleet: &Fleet, journal: &Journal) -> anyhow::Result<Vec<String>> {
    let books = store::read(&fleet.database_url()).await?;
    let admin = fleet.admin();
    let shown = Shown::read(fleet.url(), &admin.email, &admin.password).await?;
    let till = Till::of(fleet.stripe());
    Ok(judge(&books, &shown, &till, &journal.exchanges()))
}

/// How many pieces of work are not settled now: attempts to order, payments, refunds, messages and events under way.
/// Cheap enough to be asked several times a second.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn unsettled(fleet: &Fleet) -> anyhow::Result<u64> {
    let till = Till::of(fleet.stripe());
    let left = store::count_unsettled(&fleet.database_url(), &till.succeeded).await?;
    Ok(left.saturating_add(till.pending_refunds().count() as u64))
}

fn judge(books: &Books, shown: &Shown, till: &Till, exchanges: &[Exchange]) -> Vec<String> {
    let found = [
        ("I1 stock", stock::judge(books, &shown.products)),
        ("I2 money", money::judge(books, till)),
        ("I3 kept", kept::judge(books, shown, exchanges)),
        ("I4 settled", settled::judge(books, till)),
        ("I5 once", once::judge(books, exchanges)),
    ];
    let named = found.into_iter().flat_map(|(name, violations)| {
        violations.into_iter().map(move |violation| format!("{name}: {violation}"))
    });
    named.collect()
}

#[cfg(test)]
mod tests;
