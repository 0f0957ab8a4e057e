//! Checkout: from a cart to an order or a rejection.

pub(crate) mod config;
pub(crate) mod db;
pub(crate) mod place_order;
pub(crate) mod pricing;
mod processing;
pub(crate) mod recovery;
pub(crate) mod rejection;
