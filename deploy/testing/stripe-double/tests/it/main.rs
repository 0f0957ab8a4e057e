//! The double over HTTP, as a merchant, a browser and a webhook endpoint see it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod api;
mod faults;
mod idempotency;
mod merchant;
mod payments;
mod refunds;
mod webhooks;
