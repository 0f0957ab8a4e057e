//! Tests of the cart service with a real Postgres and a fake catalog.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod authentication;
mod catalog_outages;
mod checkout;
mod cleanup;
mod concurrency;
mod fake_catalog;
mod guest_orders;
mod guests;
mod items;
mod limits;
mod merge;
mod old_schema;
mod query_budget;
mod test_app;
mod variants;
