//! Calls to other services that follow from an order. They are stored with the change that they follow from, and delivered
//! until they succeed.

pub(crate) mod cleared_carts;
pub(crate) mod db;
pub(crate) mod deliveries;
pub(crate) mod worker;
