//! Authentication: users by access token, processes by service token.
//!
//! The gateway verifies each access token, and so does every service that receives it ([`Verifier`]). Handlers get the user
//! as a [`Caller`].

mod access_token;
mod caller;
mod scope;
mod service_token;
mod verifier;

pub(crate) use self::verifier::describe_metrics;
pub use self::{
    access_token::{AUDIENCE, Claims, ISSUER, Role, TOKEN_TYPE},
    caller::Caller,
    scope::{API_KEY_PREFIX, Scope},
    service_token::{SERVICE_TOKEN, ServiceToken},
    verifier::Verifier,
};
