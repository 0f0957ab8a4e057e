//! Events for other systems, published to NATS JetStream.
//!
//! A service records its events in its own database, in the transaction of the change ([`Outbox`]). [`publish`] sends them
//! to NATS and waits until JetStream has stored them. Nothing else depends on NATS: while it is away, events stay recorded.
//!
//! Events of one aggregate (an order, a product) are published in their order, and none of them before the previous one is
//! stored. An event may be published twice: JetStream drops the second one by its id within
//! [`DUPLICATE_WINDOW`](nats::DUPLICATE_WINDOW), and consumers do so by the same id.

#![warn(missing_docs)]

mod config;
mod event;
mod nats;
mod publisher;
#[cfg(feature = "testing")]
pub mod testing;

pub use self::{
    config::{Credentials, EventArgs, Servers},
    event::Event,
    nats::Nats,
    publisher::{Batch, Outbox, publish},
};
