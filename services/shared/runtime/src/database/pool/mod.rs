//! The connection pool. A clean connection returns to it without a round trip, and any other one is checked.
//!
//! A call whose deadline passes is dropped at any await, with its statement and transaction. A connection whose `begin` was
//! dropped would collect the writes of later calls without ever committing them, and one whose server does not respond would
//! occupy the pool forever. So a connection is clean only after its single statement or the commit of its transaction has
//! succeeded. Any other one is checked in the background, within a time limit, before its next use.

mod connection;
mod executor;
mod metrics;
mod transaction;

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    time::{Instant, sleep, timeout, timeout_at},
};

pub(crate) use self::metrics::describe as describe_metrics;
pub use self::{connection::Connection, transaction::Transaction};
use self::{connection::Idle, metrics::PoolMetrics};
use crate::{backoff::Backoff, telemetry, timeouts};

/// A connection that was idle for longer is checked before its next use.
const MAX_UNCHECKED_IDLE: Duration = Duration::from_secs(1);
/// A connection is closed after this time without a use.
const MAX_IDLE: Duration = Duration::from_secs(10 * 60);
/// A connection is replaced at this age.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);
/// Interval at which idle connections are checked for these limits.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(60);
/// Pauses between attempts to connect to a server that is starting or has no connection left.
const CONNECT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(200));

/// Settings of each session: of the connections of a pool, and of the services' roles. With the last five the server notices that a client is gone, and releases its locks; the last
/// four have no effect on Unix sockets.
pub fn session_settings() -> [(&'static str, String); 7] {
    [
        ("statement_timeout", format!("{}ms", timeouts::DATABASE_STATEMENT.as_millis())),
        ("idle_in_transaction_session_timeout", "5s".to_owned()),
        ("client_connection_check_interval", "1s".to_owned()),
        ("tcp_keepalives_idle", "5".to_owned()),
        ("tcp_keepalives_interval", "2".to_owned()),
        ("tcp_keepalives_count", "3".to_owned()),
        ("tcp_user_timeout", "10s".to_owned()),
    ]
}

/// Creates the pool of a service, of at most `connections`, with `name` as the application name in Postgres.
///
/// Connects at its first use: while the database is unavailable, calls fail, but not the start.
pub fn pool(options: PgConnectOptions, connections: u32, name: &str) -> Pool {
    telemetry::sql::set_database(&options);
    Pool::new(
        options.application_name(name).options(session_settings()),
        connections,
        timeouts::DATABASE_ACQUIRE,
    )
}

/// Creates the pool of a service like [`pool`], for a database behind a connection pooler in transaction mode, such as pgbouncer.
///
/// The pooler accepts no settings of a session, so the role must have them: see [`check_role`](super::check_role).
pub fn pool_behind_pooler(options: PgConnectOptions, connections: u32, name: &str) -> Pool {
    Pool::behind_pooler(options.application_name(name), connections, timeouts::DATABASE_ACQUIRE)
}

/// Connections to a database.
///
/// As an executor it runs a single statement on a connection of its own. A statement that begins a transaction must not be
/// run in this way, but with [`Pool::begin`].
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    options: PgConnectOptions,
    connections: u32,
    acquire_timeout: Duration,
    /// One for each connection that may be in use. Those who wait for one are served in their order.
    permits: Semaphore,
    /// The connection that was used last is at the end and used next, so that a pool shrinks to what is needed.
    idle: Mutex<Vec<Idle>>,
    is_closed: AtomicBool,
    created_at: Instant,
    /// Milliseconds from `created_at` to the last time at which the database responded; 0 if it never has.
    last_response: AtomicU64,
    /// Milliseconds from `created_at` to the last time at which a connection failed; 0 if none has.
    last_failure: AtomicU64,
    is_behind_pooler: bool,
    metrics: PoolMetrics,
}

/// The right to use a connection.
struct Permit(Arc<Shared>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.permits.add_permits(1);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("connections", &self.0.connections).finish_non_exhaustive()
    }
}

impl Pool {
    /// Creates a pool of at most `connections`. Waits for one at most `acquire_timeout`, which may include connecting.
    pub fn new(options: PgConnectOptions, connections: u32, acquire_timeout: Duration) -> Self {
        Self::create(options, connections, acquire_timeout, false)
    }

    /// Creates a pool like [`Pool::new`], of connections to a pooler in transaction mode: between two transactions a connection
    /// may change to another session of the server.
    pub fn behind_pooler(options: PgConnectOptions, connections: u32, acquire_timeout: Duration) -> Self {
        // It does not know the setting `extra_float_digits`.
        Self::create(options.extra_float_digits(None), connections, acquire_timeout, true)
    }

    fn create(
        options: PgConnectOptions,
        connections: u32,
        acquire_timeout: Duration,
        is_behind_pooler: bool,
    ) -> Self {
        let shared = Arc::new(Shared {
            metrics: PoolMetrics::new(options.get_application_name()),
            options,
            connections,
            acquire_timeout,
            permits: Semaphore::new(connections as usize),
            idle: Mutex::default(),
            is_closed: AtomicBool::new(false),
            created_at: Instant::now(),
            last_response: AtomicU64::new(0),
            last_failure: AtomicU64::new(0),
            is_behind_pooler,
        });
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(close_unused(Arc::downgrade(&shared)));
        }
        metrics::show(&shared);
        Self(shared)
    }

    /// Acquires a connection, which returns to the pool when it is dropped.
    ///
    /// # Errors
    /// `PoolTimedOut`, `PoolClosed`, or the error of an attempt to connect.
    pub async fn acquire(&self) -> sqlx::Result<Connection> {
        let started = Instant::now();
        let result = self.acquire_until(started + self.0.acquire_timeout).await;
        self.0.metrics.acquired(started.elapsed(), &result);
        result
    }

    async fn acquire_until(&self, deadline: Instant) -> sqlx::Result<Connection> {
        let timed_out = |_| sqlx::Error::PoolTimedOut;
        match self.0.permits.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(_) => {
                let permit = timeout_at(deadline, self.0.permits.acquire()).await.map_err(timed_out)?;
                permit.map_err(|_| sqlx::Error::PoolClosed)?.forget();
            }
        }
        let permit = Permit(self.0.clone());
        if self.0.is_closed.load(Ordering::Acquire) {
            return Err(sqlx::Error::PoolClosed);
        }
        let idle = self.0.idle().pop();
        let permit = match idle {
            Some(idle) => match idle.check(permit).await {
                Ok(connection) => return Ok(connection),
                Err(permit) => permit,
            },
            None => permit,
        };
        let connection = timeout_at(deadline, self.0.connect()).await.map_err(timed_out)??;
        Ok(Connection::new(connection, permit))
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// As [`Pool::acquire`], and when the statement fails.
    pub async fn begin(&self) -> sqlx::Result<Transaction> {
        self.begin_with("begin").await
    }

    /// Begins a transaction with these statements, in one round trip: `begin; set local lock_timeout = '50ms'`.
    ///
    /// # Errors
    /// As [`Pool::acquire`], and when a statement fails.
    pub async fn begin_with(&self, statements: &'static str) -> sqlx::Result<Transaction> {
        Transaction::begin(self.acquire().await?, statements).await
    }

    /// The options of new connections.
    pub fn connect_options(&self) -> &PgConnectOptions {
        &self.0.options
    }

    /// Whether the connections lead to a pooler in transaction mode. A statement without a name must then be executed in a
    /// transaction: it is lost between two transactions.
    pub fn is_behind_pooler(&self) -> bool {
        self.0.is_behind_pooler
    }

    /// Returns whether a statement has succeeded within the last `period`.
    pub fn has_responded_within(&self, period: Duration) -> bool {
        let last = self.0.last_response.load(Ordering::Relaxed);
        last > 0 && self.0.created_at.elapsed() <= Duration::from_millis(last) + period
    }

    /// Closes the pool: waits until all of its connections have returned, and closes them.
    pub async fn close(&self) {
        self.0.is_closed.store(true, Ordering::Release);
        if let Ok(_permits) = self.0.permits.acquire_many(self.0.connections).await {
            let idle = std::mem::take(&mut *self.0.idle());
            for idle in idle {
                idle.close().await;
            }
        }
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects. Waits for a server that is starting.
    async fn connect(&self) -> sqlx::Result<PgConnection> {
        for attempt in 0.. {
            match PgConnection::connect_with(&self.options).await {
                Err(error) if is_starting(&error) => sleep(CONNECT_BACKOFF.pause(attempt)).await,
                result => return result,
            }
        }
        Err(sqlx::Error::PoolTimedOut)
    }

    fn set_responded(&self) {
        self.last_response.store(self.now(), Ordering::Relaxed);
    }

    /// Records that a connection has failed: the server may have been restarted or replaced, so that connections which have been
    /// idle since are checked before their next use.
    fn set_failed(&self) {
        self.last_failure.store(self.now(), Ordering::Relaxed);
    }

    /// Records a failure if this error of a statement means that its connection is lost.
    fn note(&self, error: &sqlx::Error) {
        let is_lost = match error {
            sqlx::Error::Io(_) => true,
            // The server is shutting down, or a connection exception.
            sqlx::Error::Database(error) => {
                error.code().is_some_and(|code| code.starts_with("57P0") || code.starts_with("08"))
            }
            _ => false,
        };
        if is_lost {
            self.set_failed();
        }
    }

    /// Returns whether no connection has failed since this time.
    fn has_worked_since(&self, time: Instant) -> bool {
        let failed = self.last_failure.load(Ordering::Relaxed);
        failed == 0 || time > self.created_at + Duration::from_millis(failed)
    }

    /// Milliseconds since the pool was created; at least 1.
    fn now(&self) -> u64 {
        self.created_at.elapsed().as_millis().try_into().unwrap_or(u64::MAX).max(1)
    }
}

/// Returns whether an attempt to connect failed for the moment only: nothing listens, the server is starting, or another
/// connection has to be closed first.
fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("53300" | "57P03")),
        _ => false,
    }
}

/// Closes connections that are old or were not used for long, until the pool is dropped or closed.
async fn close_unused(pool: Weak<Shared>) {
    loop {
        sleep(MAINTENANCE_INTERVAL).await;
        let Some(pool) = pool.upgrade().filter(|pool| !pool.is_closed.load(Ordering::Acquire)) else {
            return;
        };
        let unused: Vec<_> = pool.idle().extract_if(.., |idle| idle.is_unused()).collect();
        for idle in unused {
            idle.close().await;
        }
    }
}

pub(super) async fn with_timeout<T>(
    limit: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    timeout(limit, work).await.map_err(|_| unresponsive())?
}

/// The error of work that exceeded its time limit.
pub(crate) fn unresponsive() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not respond"))
}
