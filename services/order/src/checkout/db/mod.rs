//! SQL of checkouts: rows of `orders.orders` that are not orders yet.

pub(crate) mod checkouts;
pub(crate) mod combined;
pub(crate) mod completion;
