//! What every service has from the runtime, tried on one: who may call, how long a call may take, what it hands on, and
//! what a database may do to it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod database;
mod deadlines;
mod guard;
mod neighbour;
mod restarts;
mod retries;
mod tokens;
mod world;
