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
mod pooler;

pub use self::{
    args::{DatabaseArgs, parse_url},
    conflict::{IsConflict, retry_on_conflict},
    migrations::{IncompatibleSchema, migrate, wait_until_migrated},
    pool::{Connection, Pool, Transaction, pool, pool_behind_pooler, session_settings},
    pooler::check_role,
};
pub(crate) use self::{
    migrations::{prepare, wait_until_available},
    pool::{describe_metrics, unresponsive},
};
