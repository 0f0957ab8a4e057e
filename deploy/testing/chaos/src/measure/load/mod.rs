//! A load generator inside this process, so that an experiment can break the store at a known time of the recording.
//!
//! With a rate it is an open loop: requests are due whether or not earlier ones have a response, and the next idle user
//! sends them. Requests do not queue here. If every user is waiting, a due request is counted as skipped: otherwise a
//! store that hangs would be measured by the queue in front of it.

mod connection;
mod samples;
mod users;
mod virtual_user;

use std::{
    io,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Semaphore,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use self::virtual_user::VirtualUser;
pub(super) use self::{
    samples::{Recording, Sample, TIMELY, p99, percentile, slowest, statuses, statuses_by_operation},
    users::Users,
    virtual_user::Operation,
};

const TICK: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Requests per second of all users.
    PerSecond(f64),
    /// Each user sends the next request after each response.
    Unlimited,
}

/// A running load. Stops when dropped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    started: Instant,
    samples: Mutex<Vec<Sample>>,
    /// One permit for each request that an idle user may send; closed at the end.
    permits: Semaphore,
    /// Users that wait for a permit and have not been given one.
    idle: AtomicU64,
    skipped: AtomicU64,
}

impl Load {
    fn start(users: Vec<VirtualUser>, pace: Pace) -> Self {
        let shared = Arc::new(Shared {
            started: Instant::now(),
            samples: Mutex::default(),
            permits: Semaphore::new(0),
            idle: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        let runtime = load_runtime();
        for user in users {
            tasks.spawn_on(run_user(user, Arc::clone(&shared), pace == Pace::Unlimited), &runtime);
        }
        if let Pace::PerSecond(rate) = pace {
            tasks.spawn_on(issue_permits(Arc::clone(&shared), rate), &runtime);
        }
        Self { shared, tasks }
    }

    /// Returns the time since the start, as samples count it.
    pub(super) fn elapsed(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// Waits for open requests and returns the recording.
    pub(super) async fn stop(mut self) -> anyhow::Result<Recording> {
        let duration = self.elapsed();
        self.shared.permits.close();
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a virtual user panicked")?;
        }
        let samples =
            std::mem::take(&mut *self.shared.samples.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Recording { samples, skipped: self.shared.skipped.load(Relaxed), duration })
    }
}

/// Loads run on a thread of their own, so that the work of the proxies does not add to measured latencies.
fn load_runtime() -> Handle {
    static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
        Builder::new_multi_thread().worker_threads(1).thread_name("load").enable_all().build()
    });
    RUNTIME.as_ref().map_or_else(|_| Handle::current(), |runtime| runtime.handle().clone())
}

async fn run_user(mut user: VirtualUser, shared: Arc<Shared>, is_unlimited: bool) {
    loop {
        if is_unlimited {
            if shared.permits.is_closed() {
                return;
            }
        } else {
            shared.idle.fetch_add(1, Relaxed);
            let Ok(permit) = shared.permits.acquire().await else { return };
            permit.forget();
        }
        let sent = shared.started.elapsed();
        let (operation, response) = user.run_next().await;
        let sample = Sample { operation, sent, latency: shared.started.elapsed() - sent, response };
        shared.samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }
}

async fn issue_permits(shared: Arc<Shared>, rate: f64) {
    let mut timetable = Timetable { rate, issued: 0 };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !shared.permits.is_closed() {
        ticks.tick().await;
        let due = timetable.due(shared.started.elapsed());
        let permits = due.min(shared.idle.load(Relaxed));
        // No other task decreases it.
        shared.idle.fetch_sub(permits, Relaxed);
        shared.skipped.fetch_add(due - permits, Relaxed);
        shared.permits.add_permits(usize::try_from(permits).unwrap_or(Semaphore::MAX_PERMITS));
    }
}

struct Timetable {
    rate: f64,
    issued: u64,
}

impl Timetable {
    /// Returns the number of requests that have become due since the last call.
    fn due(&mut self, elapsed: Duration) -> u64 {
        let all = (elapsed.as_secs_f64() * self.rate) as u64;
        let due = all.saturating_sub(self.issued);
        self.issued += due;
        due
    }
}

#[cfg(test)]
mod tests;
