//! A connection in use, and its return to the pool.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::atomic::Ordering,
};

use sqlx::{Connection as _, PgConnection, Row as _};
use tokio::{runtime::Handle, time::Instant};
use tracing::{trace, warn};

use super::{MAX_AGE, MAX_IDLE, MAX_UNCHECKED_IDLE, Permit, with_timeout};
use crate::timeouts;

/// A connection of the pool.
pub struct Connection {
    /// `None` only while it is dropped.
    open: Option<(Open, Permit)>,
    state: State,
}

struct Open {
    connection: PgConnection,
    opened_at: Instant,
}

/// A connection that is not in use.
pub(super) struct Idle {
    open: Open,
    since: Instant,
}

/// What is known about the session of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for a statement, outside of a transaction.
    Clean,
    /// It may be executing a statement.
    Unknown,
    /// It may be in a transaction.
    InTransaction,
}

impl Connection {
    pub(super) fn new(connection: PgConnection, permit: Permit) -> Self {
        let opened_at = Instant::now();
        Self { open: Some((Open { connection, opened_at }, permit)), state: State::Clean }
    }

    /// Sets the state after a statement. A caller that is dropped earlier leaves the state as it was.
    pub(super) fn set_state(&mut self, state: State) {
        self.state = state;
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

const IN_USE: &str = "a connection is open until it is dropped";

impl Deref for Connection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.open.as_ref().expect(IN_USE).0.connection
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        if self.state == State::Clean {
            self.state = State::Unknown;
        }
        &mut self.open.as_mut().expect(IN_USE).0.connection
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some((open, permit)) = self.open.take() else { return };
        if self.state == State::Clean && open.opened_at.elapsed() < MAX_AGE {
            open.put_back(permit);
        } else if let Ok(runtime) = Handle::try_current() {
            // Counted in tests of the hot paths, which need no checks.
            trace!("checking a database connection");
            runtime.spawn(open.check(permit, self.state));
        }
    }
}

impl Open {
    /// Puts the connection back before it releases the permit, so that the next one to use the permit finds it.
    fn put_back(self, permit: Permit) {
        permit.0.set_responded();
        if !permit.0.is_closed.load(Ordering::Acquire) {
            permit.0.idle().push(Idle { open: self, since: Instant::now() });
        }
    }

    /// Puts the connection back if it is clean, and closes it otherwise. Until then it holds its permit.
    async fn check(mut self, permit: Permit, state: State) {
        let is_clean = with_timeout(timeouts::DATABASE_RELEASE, async {
            match state {
                State::Clean => Ok(true),
                State::Unknown => is_usable(&mut self.connection, BETWEEN_TRANSACTIONS).await,
                State::InTransaction => is_usable(&mut self.connection, AFTER_ROLLBACK).await,
            }
        });
        match is_clean.await {
            Ok(true) if self.opened_at.elapsed() < MAX_AGE => self.put_back(permit),
            Ok(is_usable) => {
                if !is_usable {
                    warn!("closing a database connection: it is read-only, or in a transaction");
                    permit.0.set_failed();
                }
                self.close().await;
            }
            Err(error) => {
                permit.0.set_failed();
                warn!("closing a database connection: {error}");
            }
        }
    }

    async fn close(self) {
        // The server notices a lost connection as well.
        let _ = with_timeout(timeouts::DATABASE_PING, self.connection.close()).await;
    }
}

impl Idle {
    /// Checks a connection that was idle for long, or while another one failed.
    pub(super) async fn check(self, permit: Permit) -> Result<Connection, Permit> {
        let mut connection = Connection { open: Some((self.open, permit)), state: State::Clean };
        let is_trusted =
            connection.open.as_ref().is_some_and(|(_, permit)| permit.0.has_worked_since(self.since));
        if is_trusted && self.since.elapsed() <= MAX_UNCHECKED_IDLE {
            return Ok(connection);
        }
        let checked = async {
            if is_trusted {
                connection.ping().await?;
                return Ok(true);
            }
            is_usable(&mut connection, BETWEEN_TRANSACTIONS).await
        };
        let problem = match with_timeout(timeouts::DATABASE_PING, checked).await {
            Ok(true) => {
                connection.set_state(State::Clean);
                return Ok(connection);
            }
            Ok(false) => "it is read-only".to_owned(),
            Err(error) => error.to_string(),
        };
        warn!("closing an idle database connection: {problem}");
        match connection.open.take() {
            Some((_, permit)) => {
                permit.0.set_failed();
                Err(permit)
            }
            None => Ok(connection),
        }
    }

    pub(super) fn is_unused(&self) -> bool {
        self.since.elapsed() > MAX_IDLE || self.open.opened_at.elapsed() > MAX_AGE
    }

    pub(super) async fn close(self) {
        self.open.close().await;
    }
}

/// Outside of a transaction, a statement is a transaction of its own, and both begin at the same time. And a connection to a
/// server that is a standby now must be closed, so that the next one reaches its successor.
const BETWEEN_TRANSACTIONS: &str =
    "select now() = statement_timestamp() and current_setting('transaction_read_only') = 'off'";
const AFTER_ROLLBACK: &str = "rollback; select current_setting('transaction_read_only') = 'off'";

/// The raw query takes one round trip; a prepared one would take three.
async fn is_usable(connection: &mut PgConnection, query: &'static str) -> sqlx::Result<bool> {
    sqlx::raw_sql(query).fetch_one(connection).await?.try_get(0)
}
