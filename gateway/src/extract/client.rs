//! What a client says of itself when it signs in.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use http::{HeaderMap, HeaderName, header::USER_AGENT};

use crate::extract::CART_TOKEN;

/// More of a `User-Agent` than anybody wants to read in a list.
const MAX_USER_AGENT: usize = 200;

/// A client that signs in. Nothing of this is worth refusing it for.
pub(crate) struct Client {
    /// Its `User-Agent`, at most [`MAX_USER_AGENT`] characters.
    pub(crate) user_agent: String,
    /// The token of the guest cart it has filled; empty when there is none.
    pub(crate) cart_token: String,
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let user_agent = text(&parts.headers, &USER_AGENT).chars().take(MAX_USER_AGENT).collect();
        Ok(Self { user_agent, cart_token: text(&parts.headers, &HeaderName::from_static(CART_TOKEN)) })
    }
}

/// A header as text; empty where there is none.
fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}
