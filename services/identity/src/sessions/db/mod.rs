//! SQL of sessions and their refresh tokens.

pub(crate) mod refresh_tokens;
pub(crate) mod sessions;
