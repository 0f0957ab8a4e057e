//! The contract between the processes: messages, clients and servers, generated from `bodega/<service>/v1`.
//!
//! Every message and field is described where it is declared, in the `.proto` files.

#![warn(missing_docs)]
#![expect(clippy::allow_attributes, reason = "generated code has its own manners")]

mod methods;

pub use methods::{Idempotency, Method, method};

/// Accounts, sessions and the keys that sign access tokens.
pub mod identity {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("bodega.identity.v1");
    }
}

/// Categories, tags, products and their stock.
pub mod catalog {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("bodega.catalog.v1");
    }
}

/// What somebody means to buy.
pub mod cart {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("bodega.cart.v1");
    }
}

/// Turning a cart into a promise.
pub mod order {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("bodega.order.v1");
    }
}

/// The encoded `FileDescriptorSet` of all packages, for gRPC reflection and for [`method`].
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bodega.bin"));
