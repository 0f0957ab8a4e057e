//! The pool: connections that are sound, or given up.

use std::{io, time::Duration};

use sqlx::{
    Connection as _, PgConnection, PgPool, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use crate::timeouts;

/// A connection that was used so recently is not asked again.
const FRESH: Duration = Duration::from_secs(1);

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

/// A pool of at most `connections`, which the server knows by a name.
///
/// Connects when it is first used: a database that is down makes calls fail, not the start.
///
/// Callers are dropped wherever they stand when nobody waits for them any more, and so are their statements and their
/// transactions. So a connection that comes back is asked, within a time, whether it is between transactions: one
/// that was dropped while it began would answer others for work that is never committed, and one whose server is silent
/// would keep its place in the pool for ever. Either is closed.
pub fn pool(options: PgConnectOptions, connections: u32, name: &str) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(timeouts::DATABASE_ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > FRESH {
                    in_time(timeouts::DATABASE_PING, connection.ping()).await?;
                }
                Ok(true)
            })
        })
        .after_release(|connection, _| {
            Box::pin(in_time(timeouts::DATABASE_RELEASE, is_between_transactions(connection)))
        })
        .connect_lazy_with(options.application_name(name).options(session_settings()))
}

/// A statement outside of a transaction is one of its own: both begin at once. Prepared, it would be three.
async fn is_between_transactions(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::raw_sql("select now() = statement_timestamp()").fetch_one(connection).await?.try_get(0)
}

async fn in_time<T>(bound: Duration, work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let late = |_| sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"));
    timeout(bound, work).await.map_err(late)?
}
