//! All SQL, a file a table.
//!
//! Locks are taken on accounts first, in the order of their ids, and on sessions and pictures after them.

pub(crate) mod addresses;
pub(crate) mod credentials;
pub(crate) mod pictures;
pub(crate) mod refresh_tokens;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
pub(crate) mod users;
