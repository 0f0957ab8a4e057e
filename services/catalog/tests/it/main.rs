//! The catalog service against a real Postgres.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod authorization;
mod bulk;
mod categories_and_tags;
mod concurrency;
mod databases;
mod image_cleanup;
mod image_fixtures;
mod image_uploads;
mod listing;
mod model;
mod pagination;
mod product_images;
mod product_updates;
mod product_versions;
mod products;
mod reservations;
mod search;
mod statement_counts;
mod test_catalog;
