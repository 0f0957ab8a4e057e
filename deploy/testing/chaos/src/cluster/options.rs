//! The configuration of a cluster.

use std::{path::PathBuf, time::Duration};

#[derive(Clone, Debug)]
pub(crate) struct ClusterOptions {
    /// Whether the store is one process with an embedded database, or five processes and Postgres.
    pub(crate) standalone: bool,
    /// Whether the database of five processes flushes commits to disk. That of a standalone store always does.
    pub(crate) durable: bool,
    /// The seed of the Stripe double's random faults.
    pub(crate) seed: u64,
    /// Access token lifetime in whole seconds; `None` for the default.
    pub(crate) access_ttl: Option<Duration>,
    /// Directory for the processes' logs; `None` for a temporary one.
    pub(crate) log_dir: Option<PathBuf>,
    /// Whether the five processes serve their metrics. Their addresses do not change, so none can have a successor that starts
    /// before it ends.
    pub(crate) metrics: bool,
    /// The program pgbouncer, for five processes that use the database through it.
    pub(crate) pgbouncer: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) email: String,
    pub(crate) password: String,
}
