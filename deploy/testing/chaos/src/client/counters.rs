//! Counts of what clients have achieved, as far as they know.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Counts of all clients that share it.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) placed: AtomicU64,
    pub(crate) paid: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    /// Rejected checkouts, nearly always because of stock.
    pub(crate) rejected: AtomicU64,
    /// Requests without a response, or with a 5xx. Most of them are retried.
    pub(crate) errors: AtomicU64,
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { placed, paid, cancelled, rejected, errors } = self;
        let [placed, paid, cancelled, rejected, errors] =
            [placed, paid, cancelled, rejected, errors].map(|count| count.load(Relaxed));
        write!(f, "{placed} placed, {paid} paid, {cancelled} cancelled, {rejected} rejected, {errors} errors")
    }
}

pub(super) fn increment(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
