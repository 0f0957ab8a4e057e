//! Tests of what the runtime does for every service: authentication, deadlines, retries, and database failures.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access_tokens;
mod authentication;
mod database;
mod deadlines;
mod harness;
mod health;
mod product_cache;
mod rate_limits;
mod replicas;
mod restarts;
mod retries;
mod scripted_upstream;
mod service_tokens;
mod tls;
