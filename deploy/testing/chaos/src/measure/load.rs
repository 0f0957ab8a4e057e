//! A load: customers who ask as fast as they are told to.
//!
//! At a rate it is an open loop: requests are due whether or not earlier ones were answered, and the next customer who
//! waits for nothing sends it. Nothing queues here. What is due while all of them wait is counted, and never sent:
//! otherwise a store that hangs would be measured by what piled up in front of it.

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
    customer::Customer,
    record::{Record, Sample},
};

/// How often it is looked at what is due.
const TICK: Duration = Duration::from_millis(1);

/// How fast customers ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// All together so many times a second.
    PerSecond(f64),
    /// Each again as soon as it has its answer.
    FlatOut,
}

/// Customers at work. They stop when it is dropped.
pub(super) struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    begun: Instant,
    samples: Mutex<Vec<Sample>>,
    /// One for each request that a customer may send now; closed at the end.
    turns: Semaphore,
    /// Customers who wait for a turn and have none yet.
    idle: AtomicU64,
    unsent: AtomicU64,
}

impl Load {
    /// Lets customers loose.
    pub(super) fn begin(customers: Vec<Customer>, pace: Pace) -> Self {
        let shared = Arc::new(Shared {
            begun: Instant::now(),
            samples: Mutex::default(),
            turns: Semaphore::new(0),
            idle: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        let thread = thread();
        for customer in customers {
            tasks.spawn_on(shop(customer, Arc::clone(&shared), pace == Pace::FlatOut), &thread);
        }
        if let Pace::PerSecond(rate) = pace {
            tasks.spawn_on(give_turns(Arc::clone(&shared), rate), &thread);
        }
        Self { shared, tasks }
    }

    /// The time since it began, as its record counts it.
    pub(super) fn now(&self) -> Duration {
        self.shared.begun.elapsed()
    }

    /// Lets customers finish what they are at; what they were told.
    ///
    /// # Errors
    /// When a customer panicked.
    pub(super) async fn end(mut self) -> anyhow::Result<Record> {
        let lasted = self.now();
        self.shared.turns.close();
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a customer gave up")?;
        }
        let samples =
            std::mem::take(&mut *self.shared.samples.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Record { samples, unsent: self.shared.unsent.load(Relaxed), lasted })
    }
}

/// Loads have a thread of their own: an answer that is there must not wait until proxies have carried something else.
fn thread() -> Handle {
    static THREAD: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
        Builder::new_multi_thread().worker_threads(1).thread_name("load").enable_all().build()
    });
    // Without it they are measured less well, and that is all.
    THREAD.as_ref().map_or_else(|_| Handle::current(), |thread| thread.handle().clone())
}

async fn shop(mut customer: Customer, shared: Arc<Shared>, flat_out: bool) {
    loop {
        if flat_out {
            if shared.turns.is_closed() {
                return;
            }
        } else {
            shared.idle.fetch_add(1, Relaxed);
            let Ok(turn) = shared.turns.acquire().await else { return };
            turn.forget();
        }
        let sent = shared.begun.elapsed();
        let (step, answer) = customer.step().await;
        let sample = Sample { step, sent, took: shared.begun.elapsed() - sent, answer };
        shared.samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }
}

async fn give_turns(shared: Arc<Shared>, rate: f64) {
    let mut schedule = Schedule::new(rate);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !shared.turns.is_closed() {
        ticks.tick().await;
        let due = schedule.due(shared.begun.elapsed());
        let turns = due.min(shared.idle.load(Relaxed));
        // Nobody else takes from it: what was there is there.
        shared.idle.fetch_sub(turns, Relaxed);
        shared.unsent.fetch_add(due - turns, Relaxed);
        shared.turns.add_permits(usize::try_from(turns).unwrap_or(Semaphore::MAX_PERMITS));
    }
}

/// When requests are due.
struct Schedule {
    rate: f64,
    given: u64,
}

impl Schedule {
    fn new(rate: f64) -> Self {
        Self { rate, given: 0 }
    }

    /// How many have become due since it was last asked, at this time since the beginning.
    fn due(&mut self, elapsed: Duration) -> u64 {
        let all = (elapsed.as_secs_f64() * self.rate) as u64;
        let due = all.saturating_sub(self.given);
        self.given += due;
        due
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::measure::customer::{Account, Step};

    const FINE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    /// Customers of a server that takes so long for every answer.
    async fn customers(count: usize, takes: Duration) -> Vec<Customer> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority: Arc<str> = listener.local_addr().unwrap().to_string().into();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, takes));
            }
        });
        let account = |number| Account {
            number,
            email: "ada@load.example".into(),
            authorization: "Bearer a.b.c".into(),
            products: [7].into(),
        };
        (0..count).map(|number| Customer::new(&authority, account(number), &[Step::Cart])).collect()
    }

    async fn answer(mut stream: TcpStream, takes: Duration) {
        // One request is never more than this.
        while stream.read(&mut [0; 4096]).await.is_ok_and(|bytes| bytes > 0) {
            tokio::time::sleep(takes).await;
            stream.write_all(FINE).await.unwrap();
        }
    }

    #[test]
    fn what_is_due_is_due_once_however_late_it_is_asked() {
        let mut schedule = Schedule::new(150.0);
        let due = [0, 6, 7, 7, 20, 1_000].map(|at| schedule.due(Duration::from_millis(at)));
        assert_eq!(due, [0, 0, 1, 0, 2, 147]);
    }

    #[tokio::test]
    async fn a_load_keeps_its_rate() {
        let load = Load::begin(customers(4, Duration::ZERO).await, Pace::PerSecond(100.0));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let record = load.end().await.unwrap();
        assert!(record.samples.iter().all(Sample::is_success));
        let due = record.samples.len() as u64 + record.unsent;
        let wanted = (record.lasted.as_secs_f64() * 100.0) as u64;
        assert!(due <= wanted + 1 && due >= wanted * 3 / 4, "{due} of {wanted}");
    }

    #[tokio::test]
    async fn nothing_queues_in_front_of_a_store_that_is_slow() {
        let load = Load::begin(customers(3, Duration::from_secs(1)).await, Pace::PerSecond(100.0));
        tokio::time::sleep(Duration::from_millis(600)).await;
        let record = load.end().await.unwrap();
        assert_eq!(record.samples.len(), 3, "one of each customer");
        assert!(record.unsent >= 20, "{}", record.unsent);
    }

    #[tokio::test]
    async fn who_goes_flat_out_has_one_request_at_a_time() {
        let load = Load::begin(customers(2, Duration::from_millis(50)).await, Pace::FlatOut);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let record = load.end().await.unwrap();
        assert!((4..=42).contains(&record.samples.len()), "{}", record.samples.len());
        assert_eq!(record.unsent, 0);
    }
}
