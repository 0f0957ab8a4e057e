//! Overload: no more is worked on at once than can be answered in time. The rest is sent away at once, for a while,
//! before anything is done for it: half an answer, given up at its deadline, is work that helps nobody.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::Method;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};
use tracing::warn;

use crate::problem::Problem;

/// How long a request waits for a place while there was one free [`LATELY`]: long enough for a burst to pass, and so short
/// that whoever is sent away after it has still been answered within 100 ms.
const WAIT: Duration = Duration::from_millis(50);
/// How long it waits else: a queue that does not get empty is no burst, and to wait in it helps nobody. ("Controlled
/// delay" of B. Maurer, Fail at Scale, ACM Queue 13(8), 2015.)
const SHORT_WAIT: Duration = Duration::from_millis(5);
const LATELY: Duration = Duration::from_millis(100);
/// How many may wait for each place: a page that asks for many things at once gets them all.
const QUEUE: usize = 8;
/// How often the log says that requests are sent away.
const PAUSE_OF_LOG: Duration = Duration::from_secs(1);

/// How many requests to a service are worked on. Every service has its own bounds, so that a slow one takes only its own
/// routes with it; and so have reads and writes of it. Writes wait for neighbours and for passwords to be hashed: a shop
/// whose checkout is held up can still be looked at.
#[derive(Clone)]
pub(crate) struct Bounds {
    reads: Places,
    writes: Places,
}

impl Bounds {
    /// Of so many reads and so many writes.
    pub(crate) fn new(name: &str, most: u32) -> Self {
        Self {
            reads: Places::new(&format!("reads of {name}"), most),
            writes: Places::new(&format!("writes of {name}"), most),
        }
    }

    /// The places for requests of this method.
    fn places(&self, method: &Method) -> &Places {
        if method.is_safe() { &self.reads } else { &self.writes }
    }
}

/// Where reads and writes take the same places.
impl From<Places> for Bounds {
    fn from(places: Places) -> Self {
        Self { reads: places.clone(), writes: places }
    }
}

/// Places of requests that are worked on.
#[derive(Clone)]
pub(crate) struct Places(Arc<Inner>);

struct Inner {
    /// What the places are for, as the log and the metrics say it.
    name: Arc<str>,
    most: u32,
    places: Semaphore,
    /// Those that may wait for a place.
    waiting: Semaphore,
    /// When there was one free last, in milliseconds since `begun`.
    free_at: AtomicU64,
    begun: Instant,
    log: Log,
}

impl Places {
    /// So many places.
    pub(crate) fn new(name: &str, most: u32) -> Self {
        let permits = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS);
        let queue = permits.saturating_mul(QUEUE).min(Semaphore::MAX_PERMITS);
        let (places, waiting) = (Semaphore::new(permits), Semaphore::new(queue));
        let (free_at, begun) = (AtomicU64::new(0), Instant::now());
        Self(Arc::new(Inner {
            name: name.into(),
            most,
            places,
            waiting,
            free_at,
            begun,
            log: Log::default(),
        }))
    }

    /// A place, now or shortly; `None` where none gets free, or too many wait already.
    async fn take(&self) -> Option<SemaphorePermit<'_>> {
        let now = self.0.begun.elapsed();
        if let Ok(place) = self.0.places.try_acquire() {
            self.0.free_at.store(millis(now), Ordering::Relaxed);
            return Some(place);
        }
        let _waiting = self.0.waiting.try_acquire().ok()?;
        let full_for = millis(now).saturating_sub(self.0.free_at.load(Ordering::Relaxed));
        let wait = if full_for < millis(LATELY) { WAIT } else { SHORT_WAIT };
        timeout(wait, self.0.places.acquire()).await.ok()?.ok()
    }

    /// Waits until nobody has a place any more.
    pub(crate) async fn left(&self) {
        // Fails only where the places are closed, which nobody does.
        let _ = self.0.places.acquire_many(self.0.most).await;
    }

    fn note_shed(&self) {
        metrics::counter!("http_requests_shed_total", "places" => Arc::clone(&self.0.name)).increment(1);
        if let Some(count) = self.0.log.due() {
            warn!("Overloaded: sent {count} requests away, of {}", self.0.name);
        }
    }
}

/// Lets a request through that gets one of the places, and sends any other away.
pub(crate) async fn shed(State(bounds): State<Bounds>, request: Request, next: Next) -> Response {
    let places = bounds.places(request.method());
    match places.take().await {
        Some(_place) => next.run(request).await,
        None => {
            places.note_shed();
            Problem::overloaded().into_response()
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What happens often and is said seldom.
#[derive(Default)]
pub(crate) struct Log {
    unsaid: AtomicU64,
    said: Mutex<Option<Instant>>,
}

impl Log {
    /// Counts one more; how many there were since it was last said, where it is to be said again.
    pub(crate) fn due(&self) -> Option<u64> {
        self.unsaid.fetch_add(1, Ordering::Relaxed);
        // Whoever holds the lock says it.
        let mut said = self.said.try_lock().ok()?;
        if said.is_some_and(|said| said.elapsed() < PAUSE_OF_LOG) {
            return None;
        }
        *said = Some(Instant::now());
        Some(self.unsaid.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::join_all};

    use super::*;

    const A_SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_place_that_gets_free_in_time_goes_to_who_waits() {
        let places = Places::new("tests", 1);
        let place = places.take().await.unwrap();
        let mut second = Box::pin(places.take());
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        drop(place);
        assert!(second.await.is_some());
    }

    #[tokio::test]
    async fn who_reads_and_who_writes_take_no_places_from_each_other() {
        let bounds = Bounds::new("tests", 1);
        let _reading = bounds.places(&Method::GET).take().await.unwrap();
        assert!(bounds.places(&Method::HEAD).take().await.is_none());
        let _writing = bounds.places(&Method::POST).take().await.unwrap();
        assert!(bounds.places(&Method::DELETE).take().await.is_none());
    }

    #[tokio::test]
    async fn nobody_waits_long() {
        let places = Places::new("tests", 1);
        let _place = places.take().await.unwrap();
        let began = Instant::now();
        assert!(places.take().await.is_none());
        assert!((WAIT..WAIT + A_SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn where_none_was_free_for_a_while_nobody_waits_for_a_burst_to_pass() {
        let places = Places::new("tests", 1);
        let _place = places.take().await.unwrap();
        tokio::time::sleep(LATELY).await;
        let mut waits = Vec::new();
        for _ in 0..20 {
            let began = Instant::now();
            assert!(places.take().await.is_none());
            waits.push(began.elapsed());
        }
        // A busy machine may hold up some of them, though not all.
        assert!(waits.iter().any(|wait| (SHORT_WAIT..WAIT).contains(wait)), "{waits:?}");
    }

    #[tokio::test]
    async fn no_more_wait_than_the_queue_is_long() {
        let places = Places::new("tests", 2);
        let _taken = [places.take().await.unwrap(), places.take().await.unwrap()];
        let began = Instant::now();
        let waited = join_all((0..20).map(async |_| {
            assert!(places.take().await.is_none());
            began.elapsed() >= WAIT
        }));
        assert_eq!(waited.await.into_iter().filter(|waited| *waited).count(), 2 * QUEUE);
    }

    #[tokio::test]
    async fn all_have_left_when_the_last_has() {
        let places = Places::new("tests", 2);
        let taken = places.take().await;
        assert!(places.left().now_or_never().is_none());
        drop(taken);
        assert!(places.left().now_or_never().is_some());
    }

    #[tokio::test]
    async fn it_is_said_once_a_second_how_many_there_were() {
        let log = Log::default();
        assert_eq!([log.due(), log.due(), log.due()], [Some(1), None, None]);
        tokio::time::sleep(PAUSE_OF_LOG).await;
        assert_eq!([log.due(), log.due()], [Some(3), None]);
    }
}
