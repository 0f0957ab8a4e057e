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
/// Later, it is paid within a minute,
const POLL_OLD: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));
/// and after this many polls without a change, within the hour.
const OLD_POLLS: i32 = 1_000;
const POLL_STALE: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(45 * 60));

/// Failed refunds of a payment after which a person has to decide, which takes some hours.
pub(crate) const MAX_FAILED_REFUNDS: i32 = 20;
/// Refunds that are retried as soon as any other work.
const QUICK_REFUNDS: i32 = 5;
const REFUND_RETRY: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60 * 60));

/// Returns the pause until a payment is polled again, after `poll_count` polls without a change.
pub(crate) fn poll_pause(poll_count: i32, is_recent: bool) -> Duration {
    match poll_count {
        _ if is_recent => POLL_RECENT.pause(poll_count),
        ..OLD_POLLS => POLL_OLD.pause(poll_count),
        _ => POLL_STALE.pause(poll_count - OLD_POLLS),
    }
}

/// Returns the pause before a refund is created again that has failed several times; `None` before that.
pub(crate) fn refund_retry_pause(failed_refunds: i32) -> Option<Duration> {
    let failed_refunds = failed_refunds % MAX_FAILED_REFUNDS;
    (failed_refunds >= QUICK_REFUNDS).then(|| REFUND_RETRY.pause(failed_refunds - QUICK_REFUNDS))
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

    #[test]
    fn polls_and_refunds_become_rare() {
        assert!(poll_pause(OLD_POLLS + 20, false) >= Duration::from_secs(20 * 60));
        assert!(
            poll_pause(i32::MAX, false) < Duration::from_secs(60 * 60),
            "`bodega verify` expects a poll an hour"
        );
        assert_eq!(refund_retry_pause(QUICK_REFUNDS - 1), None);
        assert!(
            refund_retry_pause(MAX_FAILED_REFUNDS - 1)
                .is_some_and(|pause| pause >= Duration::from_secs(30 * 60))
        );
    }
}
