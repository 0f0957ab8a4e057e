//! The connection pool, which closes broken connections.

use std::{io, time::Duration};

use sqlx::{
    Connection as _, PgConnection, PgPool, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use crate::timeouts;

/// A connection that was idle for longer is checked before its next use.
const MAX_UNCHECKED_IDLE: Duration = Duration::from_secs(1);

/// Settings of each session. With the last five the server notices that a client is gone, and releases its locks; the last
/// four have no effect on Unix sockets.
fn session_settings() -> [(&'static str, String); 7] {
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

/// Creates a pool of at most `connections`, with `name` as the application name in Postgres.
///
/// Connects at its first use: while the database is unavailable, calls fail, but not the start.
///
/// A call whose deadline passes is dropped at any await, with its statement and transaction. So a connection that returns
/// to the pool is checked, within a time limit, for an open transaction. A connection whose `begin` was dropped would collect
/// the writes of later calls without ever committing them, and one whose server does not respond would occupy the pool
/// forever. Both are closed.
pub fn pool(options: PgConnectOptions, connections: u32, name: &str) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(timeouts::DATABASE_ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > MAX_UNCHECKED_IDLE {
                    with_timeout(timeouts::DATABASE_PING, connection.ping()).await?;
                }
                Ok(true)
            })
        })
        .after_release(|connection, _| {
            Box::pin(with_timeout(timeouts::DATABASE_RELEASE, is_between_transactions(connection)))
        })
        .connect_lazy_with(options.application_name(name).options(session_settings()))
}

/// Outside of a transaction, a statement is a transaction of its own, and both begin at the same time. The raw query takes
/// one round trip; a prepared one would take three.
async fn is_between_transactions(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::raw_sql("select now() = statement_timestamp()").fetch_one(connection).await?.try_get(0)
}

async fn with_timeout<T>(limit: Duration, work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(limit, work).await.map_err(|_| unresponsive())?
}

/// The error of work that exceeded its time limit.
pub(crate) fn unresponsive() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not respond"))
}
