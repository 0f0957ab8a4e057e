//! SQL of payments, their refunds and reviews, and provider events.

pub(crate) mod due_payments;
pub(crate) mod due_refunds;
pub(crate) mod order_payments;
pub(crate) mod provider_events;
pub(crate) mod refunds;
pub(crate) mod reviews;
