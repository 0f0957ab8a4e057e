//! What is known about a replica: its connections, when something last arrived, and its failures.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, futures::Notified},
    time::{Instant, sleep, sleep_until},
};

use crate::{backoff::Backoff, timeouts};

/// Pause before a replica is checked again.
const CHECK_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
/// Minimum time between two lookups.
const MIN_LOOKUP_INTERVAL: Duration = Duration::from_millis(250);
/// Time for data that have arrived already, but were not read because this process was delayed.
const READ_GRACE: Duration = Duration::from_millis(25);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds on the clock of this process.
pub(super) fn now() -> u64 {
    milliseconds(START.elapsed())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What the replicas of a service report to their set.
#[derive(Default)]
pub(super) struct Events {
    changed: Notify,
    last_lookup: AtomicU64,
    next_lookup: AtomicU64,
}

impl Events {
    /// Fires when a health check has ended.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    pub(super) fn notify(&self) {
        self.changed.notify_waiters();
    }

    /// Returns whether the caller has to do a lookup now.
    pub(super) fn claim_lookup(&self, now: u64, interval: Duration) -> bool {
        let due = self.next_lookup.load(Relaxed);
        if now < due || (due == 0 && now < self.last_lookup.load(Relaxed)) {
            return false;
        }
        let next = now + milliseconds(interval.mul_f64(rand::random_range(0.8..=1.2)));
        let is_claimed = self.next_lookup.compare_exchange(due, next, Relaxed, Relaxed).is_ok();
        if is_claimed {
            self.last_lookup.store(now + milliseconds(MIN_LOOKUP_INTERVAL), Relaxed);
        }
        is_claimed
    }

    /// Makes the next call look the name up: a replica may have moved.
    fn request_lookup(&self) {
        self.next_lookup.store(0, Relaxed);
    }
}

/// The health of one replica, which its connections update.
pub(super) struct Health {
    events: Arc<Events>,
    is_up: AtomicBool,
    is_checking: AtomicBool,
    connections: AtomicUsize,
    last_received: AtomicU64,
    failures: AtomicI32,
    /// No connection is attempted before this time.
    next_connect: AtomicU64,
    /// The replica is used only if there is no other before this time.
    penalized_until: AtomicU64,
}

impl Health {
    pub(super) fn new(events: Arc<Events>) -> Self {
        Self {
            events,
            is_up: AtomicBool::new(false),
            is_checking: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            last_received: AtomicU64::new(0),
            failures: AtomicI32::new(0),
            next_connect: AtomicU64::new(0),
            penalized_until: AtomicU64::new(0),
        }
    }

    /// Whether a connection may be attempted.
    pub(super) fn may_connect(&self, now: u64) -> bool {
        now >= self.next_connect.load(Relaxed)
    }

    /// Whether the replica can serve calls, as far as is known.
    pub(super) fn is_responsive(&self, now: u64) -> bool {
        self.is_up.load(Relaxed) && !self.is_silent(now)
    }

    /// The same for a replica without health checks.
    pub(super) fn has_not_failed(&self) -> bool {
        self.failures.load(Relaxed) == 0 || self.connections.load(Relaxed) > 0
    }

    pub(super) fn is_penalized(&self, now: u64) -> bool {
        now < self.penalized_until.load(Relaxed)
    }

    pub(super) fn penalize(&self) {
        self.penalized_until.store(now() + milliseconds(timeouts::REPLICA_PENALTY), Relaxed);
    }

    /// Whether nothing has arrived for too long, although the connection is pinged.
    fn is_silent(&self, now: u64) -> bool {
        self.connections.load(Relaxed) > 0
            && now >= self.last_received.load(Relaxed) + milliseconds(timeouts::REPLICA_SILENCE)
    }

    /// Waits until nothing has arrived for too long.
    pub(super) async fn silent(&self) {
        loop {
            let now = now();
            if self.is_silent(now) {
                sleep(READ_GRACE).await;
                if self.is_silent(now) {
                    return;
                }
            }
            let silence = self.last_received.load(Relaxed) + milliseconds(timeouts::REPLICA_SILENCE);
            // Without a connection, from now on.
            let wait = silence.checked_sub(now).unwrap_or(milliseconds(timeouts::REPLICA_SILENCE)).max(1);
            sleep_until(Instant::now() + Duration::from_millis(wait)).await;
        }
    }

    /// Claims the health check, if one is due.
    pub(super) fn claim_check(&self, now: u64) -> bool {
        !self.is_up.load(Relaxed) && self.may_connect(now) && !self.is_checking.swap(true, Relaxed)
    }

    pub(super) fn checked(&self, is_up: bool) {
        if is_up {
            self.failures.store(0, Relaxed);
            self.next_connect.store(0, Relaxed);
            self.is_up.store(true, Relaxed);
        } else if self.may_connect(now()) {
            self.failed();
        }
        self.is_checking.store(false, Relaxed);
    }

    /// Records that the replica could not be connected, or did not respond to a health check.
    pub(super) fn failed(&self) {
        let failures = self.failures.fetch_add(1, Relaxed);
        self.next_connect.store(now() + milliseconds(CHECK_BACKOFF.pause(failures)), Relaxed);
        let was_up = self.is_up.swap(false, Relaxed);
        if was_up || failures == 0 {
            self.events.request_lookup();
        }
    }

    /// Records a new connection, which was begun at `started`. It ends when the returned value is dropped.
    pub(super) fn connected(self: &Arc<Self>, started: u64) -> Connected {
        self.last_received.fetch_max(started, Relaxed);
        self.connections.fetch_add(1, Relaxed);
        Connected(self.clone())
    }
}

/// An open connection to a replica.
pub(super) struct Connected(Arc<Health>);

impl Connected {
    pub(super) fn received(&self) {
        self.0.last_received.store(now(), Relaxed);
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        // Another connection may have replaced this one already.
        if self.0.connections.fetch_sub(1, Relaxed) == 1 {
            self.0.is_up.store(false, Relaxed);
        }
        self.0.events.request_lookup();
    }
}
