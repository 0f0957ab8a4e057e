//! All SQL.
//!
//! Each change of a cart is one statement. A statement that waited for a cart's lock continues with the snapshot from before
//! it waited, except for the rows that it updates: it would check the limits of a cart, and return lines, as they were before.
//! So a statement changes a cart only if the cart still has the version that the snapshot has. Otherwise the caller locks the
//! cart in a transaction and runs the same statement again: its snapshot is then the latest.

pub(crate) mod add;
pub(crate) mod carts;
pub(crate) mod change;
pub(crate) mod checkouts;
pub(crate) mod items;
pub(crate) mod merged_guests;
