//! Tests of the order service with a real Postgres and fake upstreams, into which faults can be injected.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod authentication;
mod checkout_forms;
mod concurrency;
mod consistency;
mod crashes;
mod deadlines;
mod discount_uses;
mod events;
mod fake_cart;
mod fake_catalog;
mod fake_contacts;
mod faults;
mod limits;
mod mails;
mod outages;
mod pending_orders;
mod placing;
mod priced_orders;
mod processes;
mod query_budget;
mod reading;
mod refunds;
mod rejections;
mod replica;
mod returns;
mod rules;
mod settings;
mod shared_statements;
mod shipments;
mod stale_work;
mod status_changes;
mod status_sequences;
mod stripe;
mod test_app;
