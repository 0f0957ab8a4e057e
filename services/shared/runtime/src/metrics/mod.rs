//! Prometheus metrics of all processes.
//!
//! Nothing is measured unless a recorder is installed, which [`serve`] does. Counters and histograms are recorded where
//! something happens. Gauges of what a process holds, such as the connections of a pool, are read when Prometheus asks:
//! see [`on_scrape`].

mod endpoint;
mod recorder;
mod requests;
mod sampler;

pub(crate) use self::requests::{RpcInFlight, replicas, retry, rpc_client, rpc_server};
pub use self::{
    endpoint::serve,
    recorder::{InFlight, Recorder, is_enabled, on_scrape},
    requests::{http, http_in_flight},
    sampler::sample,
};
