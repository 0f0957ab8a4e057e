//! The gRPC contract: messages, clients and servers generated from `bodega/<service>/v1/*.proto`.
//!
//! Messages and fields are documented in the `.proto` files.

#![warn(missing_docs)]
#![expect(clippy::allow_attributes, reason = "generated code")]

mod methods;

pub use methods::{Idempotency, Method, method};

/// The audit log of each service.
pub mod audit {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("bodega.audit.v1");
    }
}

/// Users, sessions and the keys that sign access tokens.
pub mod identity {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("bodega.identity.v1");
    }
}

/// Categories, tags, products, images and stock.
pub mod catalog {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("bodega.catalog.v1");
    }
}

/// Carts of users and guests.
pub mod cart {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("bodega.cart.v1");
    }
}

/// The mails of a service.
pub mod mail {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("bodega.mail.v1");
    }
}

/// Checkout, orders and payments.
pub mod order {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("bodega.order.v1");
    }
}

/// The encoded `FileDescriptorSet` of all packages, for gRPC reflection and for [`method`].
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bodega.bin"));
