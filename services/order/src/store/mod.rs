//! All SQL, by what it is about. Whatever ends or moves an order is one statement, which compares and sets.

pub(crate) mod attempts;
pub(crate) mod moves;
pub(crate) mod orders;
pub(crate) mod outbox;
pub(crate) mod settle;
