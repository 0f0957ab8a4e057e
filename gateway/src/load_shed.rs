//! Load shedding: requests beyond the concurrency limit of their service are rejected at once, before any work is done for
//! them. Starting more requests than can finish in time would waste the work of all of them.
//!
//! tower's `ConcurrencyLimit` with `LoadShed` has no queue and no separate limits for reads and writes, so it would reject a
//! burst that passes within milliseconds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bodega_runtime::log_throttle::LogThrottle;
use http::Method;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};
use tracing::warn;

use crate::problem::Problem;

/// Time that a request waits for a permit if there was a free one within [`BURST_WINDOW`]: long enough for a burst to pass,
/// and short enough to reject the request within 100 ms.
const BURST_WAIT: Duration = Duration::from_millis(50);
/// Time that it waits otherwise: if no permit was free for longer, this is overload, and waiting longer does not help.
/// ("Controlled delay" in B. Maurer, Fail at Scale, ACM Queue 13(8), 2015.)
const OVERLOAD_WAIT: Duration = Duration::from_millis(5);
const BURST_WINDOW: Duration = Duration::from_millis(100);
/// Requests that may wait per permit. A page that makes many requests at the same time gets all its responses.
const QUEUE: usize = 8;
/// Rejections are logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Concurrency limits of one service, so that a slow service affects its own routes only. Reads and writes have separate
/// limits: writes wait for other services and for password hashing, and must not block reads.
#[derive(Clone)]
pub(crate) struct ConcurrencyLimits {
    reads: ConcurrencyLimit,
    writes: ConcurrencyLimit,
}

impl ConcurrencyLimits {
    /// `max` concurrent reads, and as many writes.
    pub(crate) fn new(name: &str, max: u32) -> Self {
        Self {
            reads: ConcurrencyLimit::new(&format!("{name} reads"), max),
            writes: ConcurrencyLimit::new(&format!("{name} writes"), max),
        }
    }

    fn of(&self, method: &Method) -> &ConcurrencyLimit {
        if method.is_safe() { &self.reads } else { &self.writes }
    }
}

/// One limit for reads and writes together.
impl From<ConcurrencyLimit> for ConcurrencyLimits {
    fn from(limit: ConcurrencyLimit) -> Self {
        Self { reads: limit.clone(), writes: limit }
    }
}

/// A number of permits, and a queue of requests that wait for one.
#[derive(Clone)]
pub(crate) struct ConcurrencyLimit(Arc<Inner>);

struct Inner {
    /// Name in the log and the metrics.
    name: Arc<str>,
    max: u32,
    permits: Semaphore,
    queue: Semaphore,
    /// The last time at which a permit was free, in milliseconds since `started`.
    last_free: AtomicU64,
    started: Instant,
    log: LogThrottle,
}

impl ConcurrencyLimit {
    pub(crate) fn new(name: &str, max: u32) -> Self {
        let permits = usize::try_from(max).unwrap_or(Semaphore::MAX_PERMITS);
        let queue = permits.saturating_mul(QUEUE).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            name: name.into(),
            max,
            permits: Semaphore::new(permits),
            queue: Semaphore::new(queue),
            last_free: AtomicU64::new(0),
            started: Instant::now(),
            log: LogThrottle::new(LOG_INTERVAL),
        }))
    }

    /// Returns a permit; `None` if none becomes free soon, or the queue is full.
    async fn acquire(&self) -> Option<SemaphorePermit<'_>> {
        let now = self.0.started.elapsed();
        if let Ok(permit) = self.0.permits.try_acquire() {
            self.0.last_free.store(millis(now), Ordering::Relaxed);
            return Some(permit);
        }
        let _queued = self.0.queue.try_acquire().ok()?;
        let full_for = millis(now).saturating_sub(self.0.last_free.load(Ordering::Relaxed));
        let wait = if full_for < millis(BURST_WINDOW) { BURST_WAIT } else { OVERLOAD_WAIT };
        timeout(wait, self.0.permits.acquire()).await.ok()?.ok()
    }

    /// Waits until all permits are free.
    pub(crate) async fn drained(&self) {
        // Fails only for a closed semaphore, and this one is never closed.
        let _ = self.0.permits.acquire_many(self.0.max).await;
    }

    fn record_rejection(&self) {
        metrics::counter!("http_requests_shed_total", "limit" => Arc::clone(&self.0.name)).increment(1);
        if let Some(count) = self.0.log.count() {
            warn!("overloaded: rejected {count} requests over the limit of {} {}", self.0.max, self.0.name);
        }
    }
}

/// Rejects a request that gets no permit.
pub(crate) async fn load_shed(
    State(limits): State<ConcurrencyLimits>,
    request: Request,
    next: Next,
) -> Response {
    let limit = limits.of(request.method());
    match limit.acquire().await {
        Some(_permit) => next.run(request).await,
        None => {
            limit.record_rejection();
            Problem::overloaded().into_response()
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::join_all};

    use super::*;

    const A_SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_waiting_request_gets_the_permit_that_becomes_free() {
        let limit = ConcurrencyLimit::new("tests", 1);
        let permit = limit.acquire().await.unwrap();
        let mut second = Box::pin(limit.acquire());
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        drop(permit);
        assert!(second.await.is_some());
    }

    #[tokio::test]
    async fn reads_and_writes_have_separate_permits() {
        let limits = ConcurrencyLimits::new("tests", 1);
        let _reading = limits.of(&Method::GET).acquire().await.unwrap();
        assert!(limits.of(&Method::HEAD).acquire().await.is_none());
        let _writing = limits.of(&Method::POST).acquire().await.unwrap();
        assert!(limits.of(&Method::DELETE).acquire().await.is_none());
    }

    #[tokio::test]
    async fn rejects_after_the_burst_wait() {
        let limit = ConcurrencyLimit::new("tests", 1);
        let _permit = limit.acquire().await.unwrap();
        let started = Instant::now();
        assert!(limit.acquire().await.is_none());
        assert!((BURST_WAIT..BURST_WAIT + A_SECOND).contains(&started.elapsed()), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn rejects_sooner_when_no_permit_was_free_for_a_while() {
        let limit = ConcurrencyLimit::new("tests", 1);
        let _permit = limit.acquire().await.unwrap();
        tokio::time::sleep(BURST_WINDOW).await;
        let mut waits = Vec::new();
        for _ in 0..20 {
            let started = Instant::now();
            assert!(limit.acquire().await.is_none());
            waits.push(started.elapsed());
        }
        // A loaded machine may delay some of them, but not all.
        assert!(waits.iter().any(|wait| (OVERLOAD_WAIT..BURST_WAIT).contains(wait)), "{waits:?}");
    }

    #[tokio::test]
    async fn rejects_at_once_when_the_queue_is_full() {
        let limit = ConcurrencyLimit::new("tests", 2);
        let _permits = [limit.acquire().await.unwrap(), limit.acquire().await.unwrap()];
        let started = Instant::now();
        let waited = join_all((0..20).map(async |_| {
            assert!(limit.acquire().await.is_none());
            started.elapsed() >= BURST_WAIT
        }));
        assert_eq!(waited.await.into_iter().filter(|waited| *waited).count(), 2 * QUEUE);
    }

    #[tokio::test]
    async fn is_drained_when_the_last_permit_is_free() {
        let limit = ConcurrencyLimit::new("tests", 2);
        let permit = limit.acquire().await;
        assert!(limit.drained().now_or_never().is_none());
        drop(permit);
        assert!(limit.drained().now_or_never().is_some());
    }
}
