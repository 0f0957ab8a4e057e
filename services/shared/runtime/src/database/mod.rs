//! The database: arguments, connection pool, migrations, and retries of conflicts.
//!
//! A database may be slow, unavailable or unresponsive: a connection whose server is frozen or disconnected waits forever
//! unless there is a timeout. A call has its deadline, background work the timeout of its
//! [`Worker`](crate::worker::Worker), and a connection that returns to the [`pool`] in an unknown state is checked within a time
//! limit.

mod args;
mod conflict;
mod migrations;
mod pool;

pub use self::{
    args::DatabaseArgs,
    conflict::{IsConflict, retry_on_conflict},
    migrations::{IncompatibleSchema, migrate},
    pool::{Connection, Pool, Transaction, pool, session_settings},
};
pub(crate) use self::{
    migrations::{prepare, wait_until_available},
    pool::{describe_metrics, unresponsive},
};
