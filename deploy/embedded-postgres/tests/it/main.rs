//! The launcher against a real Postgres.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod keeping;
mod lifecycle;
mod owner;
mod place;
mod statements;
mod template;
