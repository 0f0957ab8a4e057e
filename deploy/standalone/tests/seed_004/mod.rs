//! Seed 004: card payments by way of Stripe, pictures of products and users, cancelling what was paid. Lines are those
//! of the seed.

mod avatars;
mod bad_pictures;
mod cancelling;
mod crashes;
mod expiring;
mod faults;
mod filters;
mod flow;
mod offline;
mod paying;
mod pictures;
mod profiles;
mod webhooks;
