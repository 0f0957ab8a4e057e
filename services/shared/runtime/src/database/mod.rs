//! The database: where it is, its pool, its migrations, and what it undid.
//!
//! A database may be slow, gone, or worst of all silent: a connection whose other end is frozen or cut off waits for ever
//! where nobody counts the time. So everything that waits for it has a bound: a call its deadline, a loop the bound of
//! its [`Worker`](crate::worker::Worker), and a connection its check when it comes back to the [`pool`].

mod args;
mod conflict;
mod migrations;
mod pool;

pub(crate) use self::migrations::wait_until_available;
pub use self::{
    args::DatabaseArgs,
    conflict::{IsConflict, retry_on_conflict},
    migrations::migrate,
    pool::pool,
};
