//! All SQL, by what it is about. Whatever ends an attempt is one statement, which compares and sets; whatever moves an
//! order or its money happens in its books, under a lock. Who locks more than one row does it in this order: events,
//! orders, payments.

pub(crate) mod attempts;
pub(crate) mod books;
pub(crate) mod events;
pub(crate) mod orders;
pub(crate) mod outbox;
pub(crate) mod settle;

/// So many rows at most, as SQL counts them.
fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
