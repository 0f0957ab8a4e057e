//! Second factors: time-based one-time passwords (RFC 6238), with recovery codes.
//!
//! A user enrolls a secret in an authenticator app, and confirms it with a first code ([`enrollment`]). From then on a login with
//! the password gives a challenge instead of a session, which a code completes ([`login`]). A code is a one-time
//! password, accepted once, or a recovery code. Admins are asked for a code again before they change users or refund
//! payments: see [`bodega_runtime::auth::Caller::check_recent_second_factor`].

mod attempts;
pub(crate) mod db;
mod enrollment;
mod login;
mod recovery_codes;
mod totp;
mod verification;

pub(crate) use self::{
    enrollment::{confirm, disable, enroll},
    login::{CHALLENGE_LIFETIME, complete_login, start_challenge, verify_again},
    verification::Codes,
};
