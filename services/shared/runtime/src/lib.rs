//! What every process of the store does alike, so that no service has to do it again.
//!
//! A process is told what it needs ([`config`]), starts to log and trace ([`telemetry`]), opens its database
//! ([`database`]) and serves ([`server`]). Neighbours are called over one [`transport`], which carries on the
//! [`context`] of the call being served: its deadline, its caller, its trace. Who calls is settled in [`auth`];
//! what is refused leaves through [`status`].

pub mod auth;
pub mod backoff;
pub mod config;
pub mod context;
pub mod database;
pub mod metrics;
pub mod money;
pub mod page;
pub mod process;
pub mod server;
pub mod status;
pub mod telemetry;
pub mod timeouts;
pub mod timestamp;
pub mod transport;
pub mod worker;
