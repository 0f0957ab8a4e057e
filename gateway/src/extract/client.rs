//! Headers of a client that signs in.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use http::{HeaderMap, HeaderName, header::USER_AGENT};

use crate::extract::CART_TOKEN;

/// A longer `User-Agent` is truncated to this many characters.
const MAX_USER_AGENT: usize = 200;

/// A client that signs in. Its headers are never rejected.
pub(crate) struct Client {
    /// `User-Agent` header, at most [`MAX_USER_AGENT`] characters.
    pub(crate) user_agent: String,
    /// Token of the client's guest cart; empty without one.
    pub(crate) cart_token: String,
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let user_agent = text(&parts.headers, &USER_AGENT).chars().take(MAX_USER_AGENT).collect();
        Ok(Self { user_agent, cart_token: text(&parts.headers, &HeaderName::from_static(CART_TOKEN)) })
    }
}

/// A header as text; empty without one.
fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}
