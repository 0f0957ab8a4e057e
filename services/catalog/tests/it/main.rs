//! Tests of the catalog service with a real Postgres.

#![expect(clippy::unwrap_used, reason = "a failed setup should fail the test")]

mod archived_variants;
mod authorization;
mod bulk;
mod categories_and_tags;
mod changes;
mod concurrency;
mod databases;
mod events;
mod image_cleanup;
mod image_fixtures;
mod image_uploads;
mod large_catalogs;
mod listing;
mod model;
mod old_schema;
mod pagination;
mod product_images;
mod product_updates;
mod product_versions;
mod products;
mod query_budget;
mod rate_limits;
mod relevance;
mod reservation_batches;
mod reservations;
mod returns;
mod search;
mod test_app;
mod variant_currencies;
mod variant_images;
mod variant_lists;
mod variant_races;
mod variant_reads;
mod variants;
mod watcher;
