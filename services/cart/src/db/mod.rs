//! All SQL, by table.
//!
//! A statement that waited for a cart's lock continues with the snapshot from before it waited, except for the rows that
//! it updates. So the statements in [`items`] that raise the version and change one line at once are correct under
//! concurrency; a change of several lines must hold the lock from an earlier statement.

pub(crate) mod carts;
pub(crate) mod checkouts;
pub(crate) mod items;
