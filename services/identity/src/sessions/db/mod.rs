//! SQL of sessions and their refresh tokens.

pub(crate) mod refresh_tokens;
pub(crate) mod revocations;
pub(crate) mod sessions;
