//! The identity service over its gRPC API, on a real Postgres.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod api_keys;
mod authentication;
mod avatar;
mod create_admin;
mod image_cleanup;
mod image_fixtures;
mod last_admin;
mod login;
mod one_time_passwords;
mod profile;
mod rate_limits;
mod recovery;
mod refresh;
mod register;
mod revocations;
mod second_factor;
mod sessions;
mod signing_keys;
mod test_app;
mod totp;
mod unresponsive_database;
mod users;
