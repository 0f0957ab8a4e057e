//! The gRPC services: each method decodes its request, calls a use case and encodes the result.

mod callers;
mod checkout;
mod convert;
mod lists;
pub(crate) mod orders;
pub(crate) mod payment_webhooks;
mod returns;
mod rules;
pub(crate) mod settings;
