//! All SQL of the cart, by table.
//!
//! A statement that waits for a cart's lock goes on with what it saw before it waited, but for the rows it changes
//! itself. So the statements in [`items`] that raise the version and change one line in a single step are exact
//! under concurrency, while whoever changes many lines must hold the lock from an earlier statement.

pub(crate) mod carts;
pub(crate) mod checkouts;
pub(crate) mod items;
