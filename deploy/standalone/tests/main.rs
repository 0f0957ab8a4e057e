//! End-to-end tests of the whole store: real HTTP, real Postgres.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod access_matrix;
mod accounts;
mod api_recording;
mod audit;
mod bursts;
mod card_purchase_flow;
mod carts;
mod catalog;
mod cli;
mod concurrency;
mod database;
mod dependency_rules;
mod fuzz;
mod harness;
mod http;
mod idle;
mod images;
mod legacy_api;
mod mail;
mod orders;
mod payments;
mod product_cache;
mod purchase_flow;
mod query_budget;
mod races;
mod rate_limits;
mod separate_processes;
mod tls;
mod traces;
mod verify;
