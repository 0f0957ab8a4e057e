//! What came of all errands so far.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// What came of the errands of all shoppers who share it. Shown as part of a line of progress.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Orders that were placed, as far as their shoppers know.
    pub(crate) placed: AtomicU64,
    /// Orders whose charge succeeded.
    pub(crate) paid: AtomicU64,
    /// Orders that were cancelled, as far as their shoppers know.
    pub(crate) cancelled: AtomicU64,
    /// Checkouts that were refused: nearly always for want of stock.
    pub(crate) refused: AtomicU64,
    /// Requests that got no answer, or 5xx. Most of them are tried again.
    pub(crate) errors: AtomicU64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { placed, paid, cancelled, refused, errors } = self;
        let [placed, paid, cancelled, refused, errors] =
            [placed, paid, cancelled, refused, errors].map(|count| count.load(Relaxed));
        write!(f, "{placed} placed, {paid} paid, {cancelled} cancelled, {refused} refused, {errors} errors")
    }
}

/// Counts one more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
