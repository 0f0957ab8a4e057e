//! SQL of payments and provider events.

pub(crate) mod order_payments;
pub(crate) mod provider_events;
