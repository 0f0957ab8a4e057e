//! The identity service over its own RPCs, on a real Postgres.
#![expect(clippy::unwrap_used, reason = "what fails fails the test")]

mod avatar;
mod create_admin;
mod guard;
mod keys;
mod login;
mod pictures;
mod profile;
mod refresh;
mod register;
mod revocations;
mod roles;
mod sessions;
mod shop;
mod silence;
mod sweep;
mod users;
