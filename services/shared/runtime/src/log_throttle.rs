//! A limit for log lines about events that may occur thousands of times a second.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Limits a log line to one per interval.
#[derive(Debug)]
pub struct LogThrottle {
    interval: Duration,
    /// Events since the last line.
    unlogged: AtomicU64,
    last_line: Mutex<Option<Instant>>,
}

impl LogThrottle {
    /// Creates a throttle of at most one line per `interval`.
    pub const fn new(interval: Duration) -> Self {
        Self { interval, unlogged: AtomicU64::new(0), last_line: Mutex::new(None) }
    }

    /// Counts an event. Returns the number of events since the last line if the caller should log one now, and
    /// `None` otherwise.
    pub fn count(&self) -> Option<u64> {
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        // The thread that holds the lock logs the line.
        let mut last_line = self.last_line.try_lock().ok()?;
        if last_line.is_some_and(|at| at.elapsed() < self.interval) {
            return None;
        }
        *last_line = Some(Instant::now());
        Some(self.unlogged.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn logs_once_per_interval_with_the_number_of_events() {
        let throttle = LogThrottle::new(Duration::from_secs(1));
        assert_eq!([throttle.count(), throttle.count(), throttle.count()], [Some(1), None, None]);
        tokio::time::sleep(throttle.interval).await;
        assert_eq!([throttle.count(), throttle.count()], [Some(3), None]);
    }
}
