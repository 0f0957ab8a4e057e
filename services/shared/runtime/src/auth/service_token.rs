//! The secret that all processes of an installation share: only they can call its services.

use std::{fmt, str::FromStr, sync::Arc};

use aws_lc_rs::constant_time;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderValue;

use crate::config::check_secret;

/// Metadata that holds the service token of a call.
pub const SERVICE_TOKEN: &str = "x-bodega-service-token";

/// At least 32 visible ASCII characters that cannot be guessed. `Debug` does not show them.
///
/// While it is replaced, a second token is accepted too, which is never sent.
#[derive(Clone)]
pub struct ServiceToken {
    token: Arc<str>,
    secondary: Option<Arc<str>>,
}

impl ServiceToken {
    /// A random token, for services that run in one process.
    pub fn random() -> Self {
        let bytes: [u8; 32] = rand::random();
        Self { token: BASE64_URL_SAFE_NO_PAD.encode(bytes).into(), secondary: None }
    }

    /// Accepts another token too.
    #[must_use]
    pub fn or(self, secondary: Option<Self>) -> Self {
        Self { secondary: secondary.map(|secondary| secondary.token), ..self }
    }

    /// Compares in constant time, so that the duration reveals nothing about the token.
    pub(crate) fn matches(&self, header: &HeaderValue) -> bool {
        let is =
            |token: &str| constant_time::verify_slices_are_equal(token.as_bytes(), header.as_bytes()).is_ok();
        // Both are compared, whatever the result of the first.
        is(&self.token) | self.secondary.as_deref().is_some_and(is)
    }

    pub(crate) fn to_header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(&*self.token).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl FromStr for ServiceToken {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() < 32 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("use at least 32 visible ASCII characters, the same for every process".to_owned());
        }
        check_secret(text)?;
        Ok(Self { token: text.into(), secondary: None })
    }
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceToken(…)")
    }
}
