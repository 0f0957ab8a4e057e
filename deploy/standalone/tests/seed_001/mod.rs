//! Seed 001: users who log in by email or username, profiles, documentation to try, a schema. Lines are those of the
//! seed.

pub(crate) mod bad_input;
mod documentation;
mod errors;
mod passwords;
mod profiles;
mod registering;
mod sessions;
mod tables;
