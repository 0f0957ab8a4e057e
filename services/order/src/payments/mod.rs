//! Payments of orders, and the providers that carry them out.

pub(crate) mod apply;
pub(crate) mod config;
pub(crate) mod db;
pub(crate) mod expiry;
pub(crate) mod list;
pub(crate) mod order_payments;
pub(crate) mod payment;
pub(crate) mod provider;
pub(crate) mod providers;
pub(crate) mod reconcile;
pub(crate) mod refunds;
pub(crate) mod resolve;
pub(crate) mod review;
pub(crate) mod start;
pub(crate) mod update;
