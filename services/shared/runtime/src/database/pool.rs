//! The pool: connections that are sound, or given up.

use std::{io, time::Duration};

use sqlx::{
    Connection as _, PgConnection, PgPool, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

/// How long a statement may take. A caller waits for 2 s: what takes longer runs for nobody.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a call waits for a connection: short of its caller's patience, so that it can still say why.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How long a connection has to show that it is sound when it comes back: what it was left with in the middle may run
/// until its timeout.
const RETURN_TIMEOUT: Duration = Duration::from_millis(2_500);
/// The same when it was idle, and has nothing to finish.
const PING_TIMEOUT: Duration = Duration::from_millis(300);
/// A connection that was used so recently is not asked again.
const FRESH: Duration = Duration::from_secs(1);

/// What each session is set to. The server is to notice, too, when the other end is gone: a lock that a vanished process
/// holds is in everybody's way. The last four are without effect on Unix sockets.
const SESSION: [(&str, &str); 7] = [
    ("statement_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("client_connection_check_interval", "1s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "10s"),
];

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
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > FRESH {
                    in_time(PING_TIMEOUT, connection.ping()).await?;
                }
                Ok(true)
            })
        })
        .after_release(|connection, _| Box::pin(in_time(RETURN_TIMEOUT, is_between_transactions(connection))))
        .connect_lazy_with(options.application_name(name).options(SESSION))
}

/// A statement outside of a transaction is one of its own: both begin at once. Prepared, it would be three.
async fn is_between_transactions(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::raw_sql("select now() = statement_timestamp()").fetch_one(connection).await?.try_get(0)
}

async fn in_time<T>(bound: Duration, work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let late = |_| sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"));
    timeout(bound, work).await.map_err(late)?
}
