//! A concurrency limit with a bounded queue.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ::metrics::{Counter, Histogram, SharedString, counter, gauge, histogram};
use bodega_runtime::{
    fair_semaphore::{self, Client, FairSemaphore, Waiting},
    log_throttle::LogThrottle,
    metrics::on_scrape,
};
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::estimate::ServiceTime;

/// Requests of one limit that may wait.
const QUEUE: usize = 4096;
/// Bytes that they may occupy.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;
/// A waiting request is rejected at most this long after it is known that it cannot finish in time.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
const MIN_CHECK_INTERVAL: Duration = Duration::from_millis(25);
/// Rejections are logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// A number of permits, and a queue of requests that wait for one. Clients share both fairly.
#[derive(Clone)]
pub(crate) struct ConcurrencyLimit(Arc<Inner>);

struct Inner {
    /// Name in the log and the metrics.
    name: SharedString,
    max_wait: Duration,
    permits: FairSemaphore,
    times: Mutex<ServiceTime>,
    log: LogThrottle,
    rejections: Counter,
    waits: Histogram,
}

/// A permit to process a request.
pub(crate) struct Permit {
    limit: ConcurrencyLimit,
    started: Instant,
    _permit: fair_semaphore::Permit,
}

impl ConcurrencyLimit {
    /// Creates `max` permits, for which requests wait at most `max_wait`.
    pub(crate) fn new(name: &str, max: u32, max_wait: Duration) -> Self {
        let name = SharedString::from(name.to_owned());
        let inner = Arc::new(Inner {
            rejections: counter!("http_requests_shed_total", "limit" => name.clone()),
            waits: histogram!("http_concurrency_wait_seconds", "limit" => name.clone()),
            name,
            max_wait,
            permits: FairSemaphore::new(max, QUEUE, QUEUE_BYTES),
            times: Mutex::new(ServiceTime::new(max)),
            log: LogThrottle::new(LOG_INTERVAL),
        });
        inner.show();
        Self(inner)
    }

    /// Returns a permit if one is free.
    pub(super) fn try_acquire(&self) -> Option<Permit> {
        Some(self.start(self.0.permits.try_acquire()?))
    }

    /// Waits for a permit, for a request of this size. Returns `None` as soon as the request is not expected to be served
    /// before `deadline`, or at once if the queue is full.
    pub(super) async fn wait(&self, client: Client, deadline: Instant, bytes: usize) -> Option<Permit> {
        let since = Instant::now();
        let mut waiting = self.0.permits.enqueue(client, bytes)?;
        let until = deadline.min(since + self.0.max_wait);
        let mut spare = self.0.spare_time(&waiting, deadline, until, true)?;
        loop {
            let interval = (spare / 2).clamp(MIN_CHECK_INTERVAL, CHECK_INTERVAL);
            if let Ok(permit) = timeout(interval, waiting.permit()).await {
                self.0.waits.record(since.elapsed());
                return Some(self.start(permit?));
            }
            // The estimate varies, so a request that was let into the queue is not rejected later for the reserve.
            spare = self.0.spare_time(&waiting, deadline, until, false)?;
        }
    }

    /// Waits until all permits are free.
    pub(crate) async fn drained(&self) {
        self.0.permits.drained().await;
    }

    pub(super) fn record_rejection(&self) {
        self.0.rejections.increment(1);
        if let Some(count) = self.0.log.count() {
            let (max, name) = (self.0.permits.max(), &self.0.name);
            warn!("overloaded: rejected {count} requests over the limit of {max} {name}");
        }
    }

    fn start(&self, permit: fair_semaphore::Permit) -> Permit {
        let started = Instant::now();
        self.0.times().start(started);
        Permit { limit: self.clone(), started, _permit: permit }
    }
}

impl Inner {
    /// Shows the permits and the queue at each scrape.
    fn show(self: &Arc<Self>) {
        let permits =
            |state| gauge!("http_concurrency_permits", "limit" => self.name.clone(), "state" => state);
        let (in_use, free) = (permits("in_use"), permits("free"));
        let queue = gauge!("http_concurrency_queue", "limit" => self.name.clone());
        on_scrape(self, move |limit| {
            let used = limit.permits.in_use();
            in_use.set(f64::from(used));
            free.set(f64::from(limit.permits.max() - used));
            queue.set(f64::from(limit.permits.waiting()));
        });
    }

    fn times(&self) -> MutexGuard<'_, ServiceTime> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time that is expected to be left at the `deadline` when the request has been served; `None` if it would be
    /// late, or get its permit after `until`.
    fn spare_time(
        &self,
        waiting: &Waiting,
        deadline: Instant,
        until: Instant,
        with_reserve: bool,
    ) -> Option<Duration> {
        let (ahead, now) = (waiting.ahead(), Instant::now());
        let times = self.times();
        let (wait, served) = times.expected(ahead, now);
        let reserve = if with_reserve { times.reserve(wait) } else { Duration::ZERO };
        until.checked_duration_since(now + wait)?;
        deadline.checked_duration_since(now + served + reserve)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limit.0.times().finish(self.started, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::join_all};
    use tokio::time::sleep;

    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const MAX_WAIT: Duration = Duration::from_secs(2);

    fn limit(max: u32) -> ConcurrencyLimit {
        ConcurrencyLimit::new("tests", max, MAX_WAIT)
    }

    impl ConcurrencyLimit {
        async fn acquire(&self) -> Option<Permit> {
            match self.try_acquire() {
                Some(permit) => Some(permit),
                None => self.wait(Client::default(), Instant::now() + MAX_WAIT, 1).await,
            }
        }

        /// Processes a request that takes this long. Returns whether it got a permit, and the time until its end.
        async fn process(&self, time: Duration) -> (bool, Duration) {
            let started = Instant::now();
            let permit = self.acquire().await;
            if permit.is_some() {
                sleep(time).await;
            }
            (permit.is_some(), started.elapsed())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_request_gets_the_permit_that_becomes_free() {
        let limit = limit(1);
        let permit = limit.acquire().await.unwrap();
        let mut second = Box::pin(limit.acquire());
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        drop(permit);
        assert!(second.await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_waits_in_its_order() {
        let limit = limit(4);
        // 25 times 70 ms in each permit: 1.75 s of 2 s.
        let mut ends = join_all((0..100).map(|_| limit.process(70 * MS))).await;
        assert!(ends.iter().all(|(has_permit, _)| *has_permit), "{ends:?}");
        assert!(ends.is_sorted());
        assert!(ends.pop().unwrap().1 < MAX_WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn the_excess_of_a_burst_is_rejected_as_soon_as_the_time_of_a_request_is_known() {
        let limit = limit(4);
        let (served, rejected): (Vec<_>, Vec<_>) = join_all((0..60).map(|_| limit.process(200 * MS)))
            .await
            .into_iter()
            .partition(|(has_permit, _)| *has_permit);
        // Four in each 200 ms; the estimate reserves some time for the deviation.
        assert!((28..=40).contains(&served.len()), "{served:?}");
        assert!(served.iter().all(|(_, time)| *time <= MAX_WAIT), "{served:?}");
        assert!(rejected.iter().all(|(_, time)| *time < 400 * MS), "{rejected:?}");
        assert!(limit.process(200 * MS).await.0, "no request waits any more");
    }

    #[tokio::test(start_paused = true)]
    async fn under_a_standing_overload_the_excess_is_rejected_at_once_and_the_others_finish_in_time() {
        let limit = limit(16);
        // 40 ms and 60 ms in 16 permits: 320 per second can be served, and 1,600 per second arrive.
        let started = Instant::now();
        let requests = (0..16_000).map(async |index: u64| {
            sleep(Duration::from_micros(625 * index)).await;
            let time = if index.is_multiple_of(2) { 40 * MS } else { 60 * MS };
            limit.process(time).await
        });
        let (served, rejected): (Vec<_>, Vec<_>) =
            join_all(requests).await.into_iter().partition(|(has_permit, _)| *has_permit);
        let capacity = 320.0 * started.elapsed().as_secs_f64();
        assert!(served.len() as f64 > 0.95 * capacity, "{} of {capacity}", served.len());
        assert!(served.iter().all(|(_, time)| *time < MAX_WAIT), "{:?}", served.iter().max());
        let late = rejected.iter().filter(|(_, time)| *time > CHECK_INTERVAL).count();
        assert!(late < rejected.len() / 100, "{late} of {}: {:?}", rejected.len(), rejected.iter().max());
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_hangs_does_not_keep_requests_until_their_deadline() {
        let limit = limit(2);
        let hanging = join_all((0..2).map(|_| limit.process(10 * MAX_WAIT)));
        let waiting = async {
            sleep(MS).await;
            let waited = join_all((0..20).map(|_| limit.process(MS))).await;
            assert!(waited.iter().all(|(has_permit, _)| !has_permit));
            assert!(waited.iter().all(|(_, time)| *time < MAX_WAIT / 2), "{waited:?}");
            let later = limit.process(MS).await;
            assert!(!later.0 && later.1 < MAX_WAIT / 2, "{later:?}");
        };
        tokio::select! {
            biased;
            () = waiting => {}
            _ = hanging => panic!("the service responds"),
        }
        // Both are cancelled now.
        assert!(limit.process(MS).now_or_never().is_none(), "has a permit, and sleeps");
        assert_eq!(limit.process(MS).await, (true, MS));
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_has_a_maximum_of_requests_and_of_bytes() {
        let limit = limit(2);
        let _permits = [limit.acquire().await.unwrap(), limit.acquire().await.unwrap()];
        let started = Instant::now();
        let mut large = Box::pin(limit.wait(Client::default(), started + MAX_WAIT, QUEUE_BYTES - 1));
        assert!(large.as_mut().now_or_never().is_none(), "it waits");
        assert!(
            limit.wait(Client::default(), started + MAX_WAIT, 2).now_or_never().unwrap().is_none(),
            "rejected at once"
        );
        drop(large);
        let at_once = join_all((0..QUEUE + 50).map(async |_| {
            assert!(limit.acquire().await.is_none());
            started.elapsed().is_zero()
        }));
        assert_eq!(at_once.await.into_iter().filter(|at_once| *at_once).count(), 50);
        assert_eq!(limit.0.permits.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_with_a_late_deadline_waits_no_longer_than_others() {
        let limit = limit(1);
        let _permit = limit.acquire().await.unwrap();
        let started = Instant::now();
        assert!(limit.wait(Client::default(), started + 30 * MAX_WAIT, 1).await.is_none());
        assert!(started.elapsed() <= MAX_WAIT, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn is_drained_when_the_last_permit_is_free() {
        let limit = limit(2);
        let permit = limit.acquire().await;
        assert!(limit.drained().now_or_never().is_none());
        drop(permit);
        assert!(limit.drained().now_or_never().is_some());
    }
}
