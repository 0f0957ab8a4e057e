//! What every service has from the runtime, tried on one: who may call, how long a call may take, and what it hands on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod deadlines;
mod guard;
mod tokens;
mod world;
