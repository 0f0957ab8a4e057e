//! The order service over a real Postgres, between neighbours that fail in every way neighbours can.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod budget;
mod card;
mod crashes;
mod fake_cart;
mod fake_catalog;
mod faults;
mod guard;
mod moving;
mod outages;
mod overtaken;
mod patience;
mod placing;
mod processes;
mod reading;
mod refusals;
mod shop;
mod soundness;
mod together;
mod walks;
