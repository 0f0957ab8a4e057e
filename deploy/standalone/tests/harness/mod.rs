//! Test stores, their clients, and helpers of the tests.

pub(crate) mod binary;
pub(crate) mod client;
pub(crate) mod images;
pub(crate) mod payments;
pub(crate) mod process;
pub(crate) mod request_bodies;
pub(crate) mod responses;
pub(crate) mod routes;
pub(crate) mod store;
/// The same authenticator app as in the tests of identity.
#[path = "../../../../services/identity/tests/it/totp.rs"]
pub(crate) mod totp;
