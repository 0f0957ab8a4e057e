//! Concurrent small writes of one kind, combined into one statement.
//!
//! While a batch is in flight, further items gather and become the next batch. There is no timer: an item that finds the
//! combiner idle runs at once, alone. So batches grow with the load, and a store with one client works as if there were none.
//!
//! A batch runs in a task of its own and is not disturbed by callers that stop waiting. Its items have distinct keys. The
//! writes of a batch must be one statement or one transaction, which lock their rows in the order of their ids, and must not
//! wait long for a lock: with `for update skip locked`, or [`BATCH_LOCK_TIMEOUT`]. What a batch could not do is
//! done again item by item, and an item that runs alone may wait for its locks.

use std::{
    any::Any,
    collections::{HashSet, VecDeque},
    hash::{BuildHasher as _, Hash, RandomState},
    io,
    panic::{AssertUnwindSafe, resume_unwind},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use metrics::{Histogram, describe_histogram, histogram};
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};
use tracing::{Instrument as _, Span, debug};

use crate::{context::CallContext, database, telemetry::Trace, timeouts};

/// Maximum number of items of a batch.
pub const MAX_BATCH: usize = 64;
/// `lock_timeout` of a statement for several items, so that none of them waits long for the lock of another one.
pub const BATCH_LOCK_TIMEOUT: &str = "50ms";
/// `lock_timeout` of a statement for a single item, which may wait for its locks until the statement timeout.
pub const NO_LOCK_TIMEOUT: &str = "0";
/// The next batch begins after this time even if the one before is still in flight.
const MAX_WAIT: Duration = Duration::from_millis(50);

/// The results of a batch, in the order of its items. `None`: this item was left out, and runs again alone.
pub type Results<O, E> = Vec<Option<Result<O, E>>>;

type Run<I, O, E> = dyn Fn(Vec<I>) -> BoxFuture<'static, sqlx::Result<Results<O, E>>> + Send + Sync;

pub(crate) fn describe_metrics() {
    describe_histogram!(
        "combiner_batch_items",
        "Writes that were combined into one statement, by the kind of the writes."
    );
}

/// Combines items that are submitted at the same time.
pub struct Combiner<I, O, E>(Arc<Shared<I, O, E>>);

impl<I, O, E> Clone for Combiner<I, O, E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Shared<I, O, E> {
    name: &'static str,
    max_batch: usize,
    /// The numbers of items of the batches.
    sizes: Histogram,
    key: Box<dyn Fn(&I) -> u64 + Send + Sync>,
    run: Box<Run<I, O, E>>,
    queue: Mutex<Queue<I, O, E>>,
}

struct Queue<I, O, E> {
    waiting: VecDeque<Submitted<I, O, E>>,
    /// Keys of the items that are in flight. Two keys with the same hash are never in flight together, which is harmless.
    keys: HashSet<u64>,
    /// Whether a batch began less than [`MAX_WAIT`] ago and is in flight.
    is_busy: bool,
}

struct Submitted<I, O, E> {
    item: I,
    key: u64,
    deadline: Instant,
    span: Span,
    trace: Option<Trace>,
    caller: oneshot::Sender<Result<Result<O, E>, Panic>>,
}

type Panic = Box<dyn Any + Send>;

type Attempt<O, E> = Result<Results<O, E>, Failure>;

enum Failure {
    Database(sqlx::Error),
    Panic(Panic),
}

impl<I, O, E> Combiner<I, O, E>
where
    I: Clone + Send + 'static,
    O: Send + 'static,
    E: From<sqlx::Error> + Send + 'static,
{
    /// Creates a combiner of batches of at most `max_batch` items.
    ///
    /// `run` gets at least one item. Items with the same `key` are never in flight together. When `run` fails for more than
    /// one item, and Postgres has rolled its writes back, each item runs again alone. If it is unknown whether the writes
    /// were committed, because the connection was lost, all callers receive the error.
    pub fn new<K, F>(
        name: &'static str,
        max_batch: usize,
        key: impl Fn(&I) -> K + Send + Sync + 'static,
        run: impl Fn(Vec<I>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        K: Hash,
        F: Future<Output = sqlx::Result<Results<O, E>>> + Send + 'static,
    {
        assert!((1..=MAX_BATCH).contains(&max_batch), "{name}: batches of {max_batch}");
        let hasher = RandomState::new();
        Self(Arc::new(Shared {
            name,
            max_batch,
            sizes: histogram!("combiner_batch_items", "batch" => name),
            key: Box::new(move |item| hasher.hash_one(key(item))),
            run: Box::new(move |items| run(items).boxed()),
            queue: Mutex::new(Queue { waiting: VecDeque::new(), keys: HashSet::new(), is_busy: false }),
        }))
    }

    /// Runs `item` in the next batch and returns its result.
    ///
    /// An item whose caller stops waiting before its batch begins is left out. A batch runs until the last deadline of its
    /// callers, so that none shortens the time of the others.
    ///
    /// # Errors
    /// The error of the item, or of its batch.
    ///
    /// # Panics
    /// When `run` panics for this item.
    pub async fn submit(&self, item: I) -> Result<O, E> {
        let (caller, result) = oneshot::channel();
        let CallContext { deadline, trace, .. } = CallContext::current();
        let deadline = deadline.unwrap_or_else(|| Instant::now() + timeouts::CALL);
        let (key, span) = ((self.0.key)(&item), Span::current());
        let submitted = Submitted { key, item, deadline, span, trace, caller };
        self.0.queue().waiting.push_back(submitted);
        self.0.begin();
        match result.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(sqlx::Error::WorkerCrashed.into()),
        }
    }
}

impl<I, O, E> Shared<I, O, E>
where
    I: Clone + Send + 'static,
    O: Send + 'static,
    E: From<sqlx::Error> + Send + 'static,
{
    fn queue(&self) -> MutexGuard<'_, Queue<I, O, E>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the next batch, unless another one is in flight or there is nothing to do.
    fn begin(self: &Arc<Self>) {
        let batch = self.queue().next_batch(self.max_batch);
        if let Some(first) = batch.first() {
            // The statements of a batch are logged as those of its first item.
            let span = first.span.clone();
            if let [_, others @ ..] = &*batch
                && !span.is_disabled()
            {
                others.iter().for_each(|other| _ = span.follows_from(&other.span));
            }
            tokio::spawn(self.clone().run_batch(batch).instrument(span));
        }
    }

    async fn run_batch(self: Arc<Self>, batch: Vec<Submitted<I, O, E>>) {
        let mut attempt = pin!(self.attempt(&batch));
        let result = timeout(MAX_WAIT, &mut attempt).await;
        let is_late = result.is_err();
        if is_late {
            self.queue().is_busy = false;
            self.begin();
        }
        let result = match result {
            Ok(result) => result,
            Err(_) => attempt.await,
        };
        let finished = self.deliver(batch, result);
        {
            let mut queue = self.queue();
            finished.iter().for_each(|key| _ = queue.keys.remove(key));
            queue.is_busy &= is_late;
        }
        self.begin();
    }

    /// Runs a batch until the last deadline of its callers.
    fn attempt(&self, batch: &[Submitted<I, O, E>]) -> impl Future<Output = Attempt<O, E>> + use<I, O, E> {
        let (name, count) = (self.name, batch.len());
        self.sizes.record(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        let last = batch.iter().map(|submitted| submitted.deadline).max().unwrap_or_else(Instant::now);
        let trace = Trace::combined(batch.iter().filter_map(|submitted| submitted.trace.as_ref()));
        let context = CallContext { deadline: Some(last), trace, ..CallContext::default() };
        let items = batch.iter().map(|submitted| submitted.item.clone()).collect();
        let run = AssertUnwindSafe(context.scope((self.run)(items))).catch_unwind();
        async move {
            match timeout_at(last, run).await {
                Ok(Ok(Ok(results))) if results.len() != count => Err(Failure::Panic(Box::new(format!(
                    "{name}: {} results for {count} items",
                    results.len()
                )))),
                Ok(Ok(result)) => result.map_err(Failure::Database),
                Ok(Err(panic)) => Err(Failure::Panic(panic)),
                Err(_) => Err(Failure::Database(database::unresponsive())),
            }
        }
    }

    /// Sends the results to the callers. Returns the keys of the items that are done: the others run again alone.
    fn deliver(self: &Arc<Self>, batch: Vec<Submitted<I, O, E>>, attempt: Attempt<O, E>) -> Vec<u64> {
        let is_alone = batch.len() == 1;
        let mut done = Vec::with_capacity(batch.len());
        let mut results = match attempt {
            Ok(results) => results.into_iter(),
            Err(Failure::Database(error)) if is_alone => vec![Some(Err(error.into()))].into_iter(),
            Err(Failure::Database(error)) if is_rolled_back(&error) => {
                debug!("{}: a batch failed, running its {} items alone: {error}", self.name, batch.len());
                Vec::new().into_iter()
            }
            Err(Failure::Database(error)) => {
                batch.iter().map(|_| Some(Err(copy(&error).into()))).collect::<Vec<_>>().into_iter()
            }
            Err(Failure::Panic(panic)) => {
                let mut panic = Some(panic);
                for submitted in batch {
                    done.push(submitted.key);
                    let panic =
                        panic.take().unwrap_or_else(|| Box::new("another item's caller has the message"));
                    submitted.reply(Err(panic));
                }
                return done;
            }
        };
        for submitted in batch {
            match results.next().flatten() {
                Some(result) => {
                    done.push(submitted.key);
                    submitted.reply(Ok(result));
                }
                None if is_alone => {
                    done.push(submitted.key);
                    submitted.reply(Err(Box::new("an item that runs alone was left out")));
                }
                None => {
                    let span = submitted.span.clone();
                    tokio::spawn(self.clone().run_alone(submitted).instrument(span));
                }
            }
        }
        done
    }

    async fn run_alone(self: Arc<Self>, submitted: Submitted<I, O, E>) {
        let key = submitted.key;
        if !submitted.caller.is_closed() {
            let batch = vec![submitted];
            let attempt = self.attempt(&batch).await;
            self.deliver(batch, attempt);
        }
        self.queue().keys.remove(&key);
        self.begin();
    }
}

impl<I, O, E> Queue<I, O, E> {
    /// Takes the next batch: the first items whose callers still wait, with distinct keys of which none is in flight.
    fn next_batch(&mut self, max: usize) -> Vec<Submitted<I, O, E>> {
        let mut batch = Vec::new();
        if self.is_busy {
            return batch;
        }
        let mut skipped = Vec::new();
        while batch.len() < max
            && let Some(submitted) = self.waiting.pop_front()
        {
            if submitted.caller.is_closed() {
                continue;
            }
            if self.keys.insert(submitted.key) {
                batch.push(submitted);
            } else {
                skipped.push(submitted);
            }
        }
        skipped.into_iter().rev().for_each(|submitted| self.waiting.push_front(submitted));
        self.is_busy = !batch.is_empty();
        batch
    }
}

impl<I, O, E> Submitted<I, O, E> {
    /// Sends the result to the caller, who may have stopped waiting.
    fn reply(self, result: Result<Result<O, E>, Panic>) {
        drop(self.caller.send(result));
    }
}

/// Returns whether none of the writes of a failed batch was committed. A lost connection leaves that open, and so does a
/// fatal error of a session that was waiting for the acknowledgement of its commit.
fn is_rolled_back(error: &sqlx::Error) -> bool {
    let is_fatal =
        |error: &PgDatabaseError| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic);
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        sqlx::Error::Database(error) => !error.try_downcast_ref().is_some_and(is_fatal),
        _ => false,
    }
}

/// Copies an error for each caller of a batch.
fn copy(error: &sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::Io(error) => sqlx::Error::Io(io::Error::new(error.kind(), error.to_string())),
        sqlx::Error::Database(error) => {
            sqlx::Error::Io(io::Error::new(io::ErrorKind::ConnectionAborted, error.to_string()))
        }
        error => sqlx::Error::Protocol(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
