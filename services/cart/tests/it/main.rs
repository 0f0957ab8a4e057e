//! The cart service against a real Postgres and a catalog of the tests' own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod budget;
mod catalog;
mod checkout;
mod concurrency;
mod faults;
mod guard;
mod guests;
mod limits;
mod merge;
mod shop;
mod shopping;
mod sweep;
