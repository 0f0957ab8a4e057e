//! The catalog service against a real Postgres.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod budget;
mod bulk;
mod concurrency;
mod editing;
mod guard;
mod images;
mod labels;
mod listing;
mod model;
mod paging;
mod pictures;
mod places;
mod products;
mod search;
mod shop;
mod stock;
mod sweep;
mod uploads;
mod versions;
