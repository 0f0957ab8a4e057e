//! Backoffs of retries and polls, and batch sizes of workers. Timeouts and leases are in [`bodega_runtime::timeouts`].

use std::time::Duration;

use bodega_runtime::backoff::Backoff;

/// Rows that a worker claims at a time.
pub(crate) const CLAIM_LIMIT: i64 = 16;
/// Claimed rows that are processed at the same time: all of them, as a lease must not end while its row waits for others.
pub(crate) const CONCURRENCY: usize = 16;

/// Pauses between retries of failed work. Together with [`bodega_runtime::timeouts::WORK_LEASE`], abandoned work is
/// completed within 10 s once its upstreams are available.
pub(crate) const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(3));
/// Pauses between checks for the result of another call that does the same work.
pub(crate) const WAIT: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(200));

/// A client may be waiting: an order is paid within 8 s of its money even if every webhook event is lost.
const POLL_RECENT: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(6));
/// Later, it is paid within a minute.
const POLL_OLD: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));

/// Returns the pause until a payment is polled again, after `poll_count` polls without a change.
pub(crate) fn poll_pause(poll_count: i32, is_recent: bool) -> Duration {
    if is_recent { POLL_RECENT.pause(poll_count) } else { POLL_OLD.pause(poll_count) }
}

/// Returns the pause before a required cancellation or refund, or before a retry of a failed call to the provider. For old
/// payments it is as long as that between polls, because a retry is unlikely to help.
pub(crate) fn provider_retry_pause(poll_count: i32, is_recent: bool) -> Duration {
    if is_recent { RETRY.pause(poll_count) } else { poll_pause(poll_count, is_recent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_for_recent_payments_stay_short() {
        for poll_count in [0, 10, i32::MAX] {
            assert!(RETRY.pause(poll_count) <= Duration::from_secs(3));
            assert!(provider_retry_pause(poll_count, true) <= Duration::from_secs(3));
            assert!(poll_pause(poll_count, true) <= Duration::from_secs(6));
        }
        assert!(provider_retry_pause(60, false) >= Duration::from_secs(15));
        assert!(poll_pause(60, false) >= Duration::from_secs(15));
    }
}
