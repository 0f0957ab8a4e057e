//! Authentication: <https://docs.stripe.com/api/authentication>.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};

use super::params::Params;
use crate::{error::Error, options::Options};

/// The owner of the key that a request contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The merchant, with the secret key.
    Merchant,
    /// The customer's browser, with the publishable key.
    Browser,
}

impl Caller {
    /// Authenticates a request by its key.
    ///
    /// # Errors
    /// When there is no key, or an unknown one.
    pub(crate) fn of(headers: &HeaderMap, params: &Params, options: &Options) -> Result<Self, Error> {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        // Stripe.js sends its key with the form.
        let key = header.and_then(key_of).or_else(|| params.text("key").ok().flatten());
        match key {
            Some(key) if key == options.secret_key => Ok(Self::Merchant),
            Some(key) if key == options.publishable_key => Ok(Self::Browser),
            Some(key) => {
                let masked = format!("{}****", key.chars().take(8).collect::<String>());
                Err(Error::unauthorized(format!("Invalid API Key provided: {masked}")))
            }
            None => Err(Error::unauthorized(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using \
                 Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            )),
        }
    }
}

/// Returns a bearer token, or the user name of basic authentication.
fn key_of(header: &str) -> Option<String> {
    let (scheme, credentials) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(credentials.trim()).ok()?).ok()?;
    Some(decoded.split(':').next().unwrap_or_default().to_owned())
}
