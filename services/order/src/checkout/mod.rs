//! Checkout: from a cart to an order or a rejection.

pub(crate) mod config;
pub(crate) mod customer;
pub(crate) mod db;
pub(crate) mod form;
mod merged_guests;
pub(crate) mod place_order;
pub(crate) mod pricing;
pub(crate) mod pricing_inputs;
mod processing;
pub(crate) mod quote;
pub(crate) mod recovery;
pub(crate) mod rejection;
pub(crate) mod request;
pub(crate) mod total;
