//! The secret that the store's own processes share, so that nobody else can call a service.

use std::{fmt, str::FromStr, sync::Arc};

use aws_lc_rs::constant_time;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderValue;

/// Metadata in which the processes show it to each other.
pub const SERVICE_TOKEN: &str = "x-bodega-service-token";

/// At least 32 visible ASCII characters. Never shown, not even by `Debug`.
#[derive(Clone)]
pub struct ServiceToken(Arc<str>);

impl ServiceToken {
    /// A new one, for processes that share their memory.
    pub fn random() -> Self {
        let bytes: [u8; 32] = rand::random();
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// Whether `shown` is this token, in a time that does not tell how much of it is right.
    pub(crate) fn matches(&self, shown: &HeaderValue) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_bytes(), shown.as_bytes()).is_ok()
    }

    /// The token as metadata.
    pub(crate) fn to_header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(&*self.0).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl FromStr for ServiceToken {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() < 32 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "use the same 32 or more letters and digits for every process of the store".to_owned()
            );
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceToken(…)")
    }
}
