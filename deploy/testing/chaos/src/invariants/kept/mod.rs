//! I3: everything that was answered 2xx is there, reads after it never went backwards, and no answer was one that a
//! store must not give.

mod accounts;
mod answers;
mod carts;
mod orders;
mod quantities;
mod sightings;

use super::{rest::Shown, store::Books};
use crate::journal::Exchange;

/// What was promised, and not kept.
pub(super) fn judge(books: &Books, shown: &Shown, exchanges: &[Exchange]) -> Vec<String> {
    [
        answers::judge(exchanges),
        accounts::judge(exchanges, &shown.users),
        orders::judge(exchanges, &shown.orders),
        carts::judge(exchanges, books),
    ]
    .concat()
}
