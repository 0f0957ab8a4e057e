//! The concurrency limit of password hashing.
//!
//! Each hash uses one core for a known time, so the wait for a permit can be estimated: a call that would wait for too
//! long is rejected at once. Clients share the permits fairly: a client that guesses passwords does not keep others from
//! signing in.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bodega_runtime::{
    context::CallContext,
    fair_semaphore::{Client, FairSemaphore, Permit, Waiting},
    metrics::on_scrape,
};
use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use tokio::time::timeout;

/// Weight of the average duration relative to a new measurement. The average follows a change of load within a few
/// hashes.
const AVERAGE_WEIGHT: u64 = 8;
/// Calls that may wait.
const MAX_WAITING: usize = 4096;

/// The permits to hash passwords. Cheap to clone; clones share the limit.
#[derive(Clone)]
pub(super) struct HashPermits(Arc<Inner>);

struct Inner {
    max_wait: Duration,
    permits: FairSemaphore,
    /// Average duration of a hash in microseconds.
    average: AtomicU64,
    rejections: Counter,
    waits: Histogram,
    durations: Histogram,
}

/// A permit to hash one password. It is returned when it is dropped.
pub(super) struct HashPermit {
    permits: HashPermits,
    acquired_at: Instant,
    _permit: Permit,
}

/// Adds the help texts of the metrics.
pub(crate) fn describe_metrics() {
    describe_gauge!("password_hash_permits", "Permits to hash a password, by state. Each uses one core.");
    describe_gauge!("password_hash_queue", "Calls that wait for a permit to hash a password.");
    describe_histogram!(
        "password_hash_wait_seconds",
        Unit::Seconds,
        "Time that calls waited for a permit to hash a password."
    );
    describe_histogram!("password_hash_duration_seconds", Unit::Seconds, "Time that a hash took.");
    describe_counter!(
        "password_hash_rejections_total",
        "Calls that got no permit to hash a password, because they would have waited too long."
    );
}

impl HashPermits {
    /// Creates `max_concurrent` permits, for which calls wait at most `max_wait`. `duration` is the first estimate of
    /// how long a hash takes.
    pub(super) fn new(max_concurrent: u32, max_wait: Duration, duration: Duration) -> Self {
        let inner = Arc::new(Inner {
            max_wait,
            permits: FairSemaphore::new(max_concurrent, MAX_WAITING, usize::MAX),
            average: AtomicU64::new(micros(duration)),
            rejections: counter!("password_hash_rejections_total"),
            waits: histogram!("password_hash_wait_seconds"),
            durations: histogram!("password_hash_duration_seconds"),
        });
        on_scrape(&inner, |permits| {
            let (hashing, max) = (permits.permits.in_use(), permits.permits.max());
            gauge!("password_hash_permits", "state" => "in_use").set(f64::from(hashing));
            gauge!("password_hash_permits", "state" => "free").set(f64::from(max - hashing));
            gauge!("password_hash_queue").set(f64::from(permits.permits.waiting()));
        });
        Self(inner)
    }

    /// Waits for a permit. Returns `None` when no permit becomes free before the maximum wait ends, and early enough to
    /// hash before the deadline of the call; immediately when the estimated wait is too long.
    pub(super) async fn acquire(&self) -> Option<HashPermit> {
        let started = Instant::now();
        let permit = self.wait().await;
        match &permit {
            Some(_) => self.0.waits.record(started.elapsed()),
            None => self.0.rejections.increment(1),
        }
        permit
    }

    async fn wait(&self) -> Option<HashPermit> {
        let start =
            |permit| HashPermit { permits: self.clone(), acquired_at: Instant::now(), _permit: permit };
        if let Some(permit) = self.0.permits.try_acquire() {
            return Some(start(permit));
        }
        let (mut waiting, wait) = self.enqueue()?;
        timeout(wait, waiting.permit()).await.ok()?.map(start)
    }

    /// Returns a place in the queue and the maximum wait in it, or `None` if the estimated wait is longer.
    fn enqueue(&self) -> Option<(Waiting, Duration)> {
        let waiting = self.0.permits.enqueue(Client::current(), 0)?;
        let average = Duration::from_micros(self.0.average.load(Ordering::Relaxed));
        let wait = CallContext::current().deadline.map_or(self.0.max_wait, |deadline| {
            let remaining = deadline.saturating_duration_since(tokio::time::Instant::now());
            remaining.saturating_sub(average).min(self.0.max_wait)
        });
        let is_short = average * (waiting.ahead() + 1) <= wait * self.0.permits.max();
        is_short.then_some((waiting, wait))
    }

    /// Returns whether [`acquire`](Self::acquire) would reject the call at once, so that it need not make any statement before.
    pub(super) fn are_exhausted(&self) -> bool {
        let permits = &self.0.permits;
        let are_exhausted = permits.in_use() == permits.max() && self.enqueue().is_none();
        if are_exhausted {
            self.0.rejections.increment(1);
        }
        are_exhausted
    }
}

impl Drop for HashPermit {
    fn drop(&mut self) {
        let permits = &self.permits;
        let duration = self.acquired_at.elapsed();
        permits.0.durations.record(duration);
        let duration = micros(duration);
        let average = permits.0.average.load(Ordering::Relaxed);
        // Concurrent updates may lose one measurement, which does not matter for an estimate.
        let average = (average * (AVERAGE_WEIGHT - 1) + duration) / AVERAGE_WEIGHT;
        permits.0.average.store(average, Ordering::Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::from(u32::MAX)).min(u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::join_all};
    use tokio::time::sleep;

    use super::*;

    const DURATION: Duration = Duration::from_millis(100);

    fn permits(max_concurrent: u32, max_wait: Duration) -> HashPermits {
        HashPermits::new(max_concurrent, max_wait, DURATION)
    }

    #[tokio::test]
    async fn queues_only_calls_that_can_get_a_permit_in_time() {
        let permits = permits(2, 3 * DURATION);
        assert!(!permits.are_exhausted());
        let _held = [permits.acquire().await.unwrap(), permits.acquire().await.unwrap()];
        assert!(!permits.are_exhausted(), "a call could wait");
        let start = Instant::now();
        let waited = join_all((0..20).map(async |_| {
            let are_exhausted = permits.are_exhausted();
            assert!(permits.acquire().await.is_none());
            let waited = start.elapsed() >= 3 * DURATION;
            assert_eq!(are_exhausted, !waited);
            waited
        }));
        assert_eq!(waited.await.into_iter().filter(|waited| *waited).count(), 6, "2 at once, 3 durations");
        assert_eq!(
            (permits.0.permits.in_use(), permits.0.permits.waiting()),
            (2, 0),
            "the others have ended"
        );
    }

    #[tokio::test]
    async fn rejects_a_call_whose_deadline_leaves_no_time() {
        let permits = permits(1, 100 * DURATION);
        let held = permits.acquire().await.unwrap();
        let within = |time| CallContext {
            deadline: Some(tokio::time::Instant::now() + time),
            ..CallContext::default()
        };
        let too_short = within(3 * DURATION / 2).scope(permits.acquire());
        assert!(too_short.now_or_never().unwrap().is_none(), "rejected at once");
        let start = Instant::now();
        assert!(within(3 * DURATION).scope(permits.acquire()).await.is_none());
        assert!(start.elapsed() < 3 * DURATION, "leaves time to hash");
        drop(held);
        let free = within(Duration::ZERO).scope(permits.acquire()).await;
        assert!(free.is_some(), "a free permit is always given");
    }

    #[tokio::test]
    async fn a_cancelled_call_takes_no_permit() {
        let permits = permits(1, 100 * DURATION);
        let held = permits.acquire().await.unwrap();
        let cancelled = Box::pin(permits.acquire());
        let waits = timeout(DURATION, cancelled).await;
        assert!(waits.is_err());
        drop(held);
        assert!(permits.acquire().now_or_never().flatten().is_some());
        assert_eq!((permits.0.permits.in_use(), permits.0.permits.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn the_calls_of_one_client_do_not_keep_others_from_hashing() {
        let permits = permits(1, 10 * DURATION);
        let held = permits.acquire().await.unwrap();
        let of = |address: &str| {
            let client_address = Some(address.parse().unwrap());
            let context = CallContext { client_address, ..CallContext::default() };
            Box::pin(context.scope(permits.acquire()))
        };
        let mut guesses: Vec<_> = (0..200).map(|_| of("203.0.113.7")).collect();
        let rejected = guesses.iter_mut().filter_map(|guess| guess.now_or_never()).count();
        assert_eq!(rejected, 190, "those that would wait for too long");
        let mut login = of("198.51.100.1");
        assert!((&mut login).now_or_never().is_none(), "waits");
        drop(held);
        let mut waiting = guesses.iter_mut().take(10);
        let first_guess = waiting.position(|guess| guess.now_or_never().flatten().is_some());
        assert_eq!(first_guess, Some(0), "it was there first");
        assert!(login.now_or_never().flatten().is_some(), "behind one of them");
    }

    #[tokio::test]
    async fn measures_the_duration_of_hashes() {
        let permits = permits(1, 4 * DURATION);
        let average = || Duration::from_micros(permits.0.average.load(Ordering::Relaxed));
        for _ in 0..40 {
            drop(permits.acquire().await);
        }
        assert!(average() < DURATION / 10, "{:?}", average());
        let slow = permits.acquire().await;
        sleep(DURATION).await;
        drop(slow);
        assert!(average() >= DURATION / 8, "{:?}", average());
    }
}
