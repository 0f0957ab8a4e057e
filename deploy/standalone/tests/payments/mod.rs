//! Payments by card and offline, with a test double for Stripe.

mod cancellation;
mod card_payments;
mod crashes;
mod expiry;
mod faults;
mod offline;
mod webhooks;
