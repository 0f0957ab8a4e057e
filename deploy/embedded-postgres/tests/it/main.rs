//! Tests of the launcher with a real Postgres.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod databases;
mod directories;
mod lifecycle;
mod parent_process;
mod statements;
mod supervisor;
