//! The time that a client may take to send a body, and with it the minimum rate of the body.

use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Minimum rate of a body in bytes per second, once it has used the time that it has at first.
const MIN_RATE: u32 = 8 * 1024;

/// Limits the time of waiting for a client: `max` at first. Each second of it is restored by [`MIN_RATE`] bytes, up to `max`.
///
/// So a client may pause for `max`, and a body that arrives slower than [`MIN_RATE`] ends. The time in which a service processes
/// what has arrived does not count.
pub(super) struct ReadTime {
    left: Duration,
    max: Duration,
}

impl ReadTime {
    pub(super) fn new(max: Duration) -> Self {
        Self { left: max, max }
    }

    /// Waits for a read. Returns `None` when no time is left.
    pub(super) async fn limit<T>(&mut self, read: impl Future<Output = T>) -> Option<T> {
        let started = Instant::now();
        let output = timeout(self.left, read).await.ok();
        self.left = self.left.saturating_sub(started.elapsed());
        output
    }

    /// Restores the time for bytes that have arrived.
    pub(super) fn restore(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.left = (self.left + Duration::from_secs(1) * bytes / MIN_RATE).min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::sleep;

    use super::*;

    const MAX: Duration = Duration::from_secs(10);

    /// Reads a body of 600 chunks, one in each `interval`. Returns the time after which it is too slow.
    async fn read(bytes: usize, interval: Duration) -> Option<Duration> {
        let (mut read_time, started) = (ReadTime::new(MAX), Instant::now());
        for _ in 0..600 {
            if read_time.limit(sleep(interval)).await.is_none() {
                return Some(started.elapsed());
            }
            read_time.restore(bytes);
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_arrive_at_the_minimum_rate() {
        let (rate, second) = (MIN_RATE as usize, Duration::from_secs(1));
        assert_eq!(read(rate, second).await, None);
        assert_eq!(read(8 * rate, 8 * second).await, None, "in bursts");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slower_body_is_too_slow() {
        let (rate, second) = (MIN_RATE as usize, Duration::from_secs(1));
        let trickle = read(1, second).await.unwrap();
        assert!((MAX..MAX + second).contains(&trickle), "{trickle:?}");
        let half = read(rate / 2, second).await.unwrap();
        assert!((MAX * 2 - second..MAX * 2 + second).contains(&half), "{half:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_arrived_fast_does_not_allow_a_longer_pause() {
        let mut read_time = ReadTime::new(MAX);
        read_time.restore(100 * MIN_RATE as usize);
        let started = Instant::now();
        assert_eq!(read_time.limit(pending::<()>()).await, None);
        assert!(started.elapsed() < MAX + Duration::from_secs(1), "{:?}", started.elapsed());
        read_time.restore(MIN_RATE as usize);
        assert_eq!(read_time.limit(sleep(MAX / 20)).await, Some(()), "restored");
    }
}
