//! SQL of payments, their reviews, and provider events.

pub(crate) mod order_payments;
pub(crate) mod provider_events;
pub(crate) mod reviews;
