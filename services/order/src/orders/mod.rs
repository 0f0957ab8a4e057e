//! Placed orders.

pub(crate) mod access;
pub(crate) mod breakdown;
pub(crate) mod claim;
pub(crate) mod contact;
pub(crate) mod db;
pub(crate) mod shipments;
pub(crate) mod status;
pub(crate) mod stored_totals;
pub(crate) mod transition;
