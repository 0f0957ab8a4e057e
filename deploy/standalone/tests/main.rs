//! The whole store, over real HTTP and against a real Postgres.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answers;
mod api_recording;
mod budget;
mod cli;
mod concurrency;
mod contract;
mod house;
mod outage;
mod person;
mod pictures;
mod process;
mod processes;
mod program;
mod roles;
mod seed_000;
mod seed_001;
mod seed_002;
mod seed_003;
mod seed_004;
mod settings;
mod shop;
mod till;
mod verify;
