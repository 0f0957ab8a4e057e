//! All SQL, by what it is about. Whatever ends an attempt is one statement, which compares and sets; whatever moves an
//! order or its money happens in its books, under a lock. Who locks more than one row does it in this order: events,
//! orders, payments.

#[path = "../checkout/db/checkouts.rs"]
pub(crate) mod attempts;
#[path = "../payments/db/order_payments.rs"]
pub(crate) mod books;
#[path = "../payments/db/provider_events.rs"]
pub(crate) mod events;
#[path = "../orders/db.rs"]
pub(crate) mod orders;
#[path = "../outbox/db.rs"]
pub(crate) mod outbox;
#[path = "../checkout/db/completion.rs"]
pub(crate) mod settle;

/// So many rows at most, as SQL counts them.
fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
