//! `catalog.reservations`, `catalog.reservation_lines`, and the stock of products with its ledger
//! `catalog.stock_movements`. A product's stock and its ledger change in the same statement.
//!
//! Every statement is a transaction of its own. It locks products first, in the order of their ids, and then reservations,
//! in the order of theirs. A statement that has waited for a lock reads the locked row as it is now, but all other rows as
//! they were before the wait: so none of these statements decides by a row that it has not locked or inserted.

mod release;
mod reserve;

pub(super) use self::{
    release::{release, return_units},
    reserve::{Locked, RequestedLines, attempt, find, is_lock_timeout},
};
