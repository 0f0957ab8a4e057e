//! Shared by all services and the gateway: configuration, telemetry, database access, and serving and calling gRPC.
//!
//! A process reads its configuration ([`config`]), starts logging and tracing ([`telemetry`]), opens its database
//! ([`database`]) and serves ([`server`]). It calls other services over a [`transport`], which passes on the [`context`]
//! of the call being served: deadline, access token, request id and trace. [`auth`] verifies callers; errors leave as
//! gRPC statuses made in [`status`]. [`timeouts`] lists all timeouts that depend on each other.

#![warn(missing_docs)]

mod activity;
pub mod auth;
pub mod backoff;
pub mod client_address;
pub mod combiner;
pub mod config;
pub mod context;
pub mod database;
pub mod fair_semaphore;
pub mod guest_token;
pub mod health;
pub mod listener;
pub mod log_throttle;
pub mod low_priority;
pub mod metrics;
pub mod money;
pub mod page;
pub mod process;
pub mod product_cache;
pub mod rate_limit;
pub mod server;
pub mod status;
pub mod telemetry;
pub mod timeouts;
pub mod timestamp;
pub mod tls;
pub mod transport;
pub mod worker;
