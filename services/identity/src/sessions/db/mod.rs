//! SQL of sessions and their refresh tokens.

pub(crate) mod recognized_clients;
pub(crate) mod refresh_tokens;
pub(crate) mod revocations;
pub(crate) mod sessions;
