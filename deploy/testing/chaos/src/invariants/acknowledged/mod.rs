//! I3: Everything acknowledged with 2xx is stored, reads never return an earlier state, and every response has an
//! allowed status.

mod accounts;
mod carts;
mod orders;
mod responses;

use super::{rest::RestState, snapshot::Snapshot};
use crate::journal::Exchange;

pub(super) fn find_violations(snapshot: &Snapshot, rest: &RestState, exchanges: &[Exchange]) -> Vec<String> {
    [
        responses::find_violations(exchanges),
        accounts::find_violations(exchanges, &rest.users),
        orders::find_violations(exchanges, &rest.orders),
        carts::find_violations(exchanges, snapshot),
    ]
    .concat()
}

/// Finds responses with a status that is not allowed.
pub(super) fn unexpected_statuses(exchanges: &[Exchange]) -> Vec<String> {
    responses::find_violations(exchanges)
}
