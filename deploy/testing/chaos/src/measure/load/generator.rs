//! Runs virtual users at a pace.
//!
//! With a rate it is an open loop: requests are due whether or not earlier ones have a response, and the next idle user
//! sends them. Requests do not queue here. If every user is waiting, a due request is counted as skipped: otherwise the
//! latencies of a store that hangs would include the time in that queue.

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

use super::{
    samples::{Recording, Sample},
    virtual_user::VirtualUser,
};

const TICK: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Requests per second of all users.
    PerSecond(f64),
    /// Each user sends the next request after each response.
    Unlimited,
}

/// A running load, which stops when dropped.
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
    pub(super) fn start(users: Vec<VirtualUser>, pace: Pace) -> Self {
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
    pub(crate) fn elapsed(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// Waits for open requests and returns the recording.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Recording> {
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
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        time::sleep,
    };

    use super::*;
    use crate::measure::load::virtual_user::{Account, Operation};

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    /// Starts a load on a server that responds after `latency`.
    async fn start(users: usize, latency: Duration, pace: Pace) -> Load {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority: Arc<str> = listener.local_addr().unwrap().to_string().into();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(respond(stream, latency));
            }
        });
        let account = |number| Account {
            number,
            email: "ada@load.example".into(),
            password: "secret".into(),
            authorization: "Bearer a.b.c".into(),
            products: [7].into(),
        };
        let user = |number| VirtualUser::new(&authority, account(number), &[Operation::Cart]);
        Load::start((0..users).map(user).collect(), pace)
    }

    async fn respond(mut stream: TcpStream, latency: Duration) {
        // A request fits into the buffer.
        while stream.read(&mut [0; 4096]).await.is_ok_and(|bytes| bytes > 0) {
            sleep(latency).await;
            stream.write_all(OK).await.unwrap();
        }
    }

    #[test]
    fn each_request_is_due_once_however_late_the_tick_is() {
        let mut timetable = Timetable { rate: 150.0, issued: 0 };
        let due = [0, 6, 7, 7, 20, 1_000].map(|at| timetable.due(Duration::from_millis(at)));
        assert_eq!(due, [0, 0, 1, 0, 2, 147]);
    }

    #[tokio::test]
    async fn keeps_its_rate() {
        let load = start(4, Duration::ZERO, Pace::PerSecond(100.0)).await;
        // Long, so that a late tick on a busy machine is a small share of it.
        sleep(Duration::from_secs(4)).await;
        let recording = load.stop().await.unwrap();
        assert!(recording.samples.iter().all(Sample::is_success));
        let due = recording.samples.len() as u64 + recording.skipped;
        let expected = (recording.duration.as_secs_f64() * 100.0) as u64;
        assert!(due <= expected + 1 && due >= expected * 3 / 4, "{due} of {expected}");
    }

    #[tokio::test]
    async fn does_not_queue_requests_for_a_slow_store() {
        let load = start(3, Duration::from_secs(3), Pace::PerSecond(100.0)).await;
        sleep(Duration::from_millis(600)).await;
        let recording = load.stop().await.unwrap();
        assert_eq!(recording.samples.len(), 3, "one of each user");
        assert!(recording.skipped >= 20, "{}", recording.skipped);
    }

    #[tokio::test]
    async fn an_unlimited_user_has_one_request_at_a_time() {
        let latency = Duration::from_millis(50);
        let load = start(2, latency, Pace::Unlimited).await;
        sleep(Duration::from_secs(1)).await;
        let recording = load.stop().await.unwrap();
        let most = 2 * (recording.duration.as_millis() / latency.as_millis() + 1);
        assert!((4..=most).contains(&(recording.samples.len() as u128)), "{}", recording.samples.len());
        assert_eq!(recording.skipped, 0);
    }
}
