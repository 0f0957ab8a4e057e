//! The `limit` query parameter.

use bodega_runtime::page::MAX_LIMIT;
use serde::{Deserialize, Deserializer, de::Error as _};

/// Maximum number of items on a page, 1 to [`MAX_LIMIT`]; the list's default without it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limit(i32);

impl Limit {
    /// The value for the services: 0 for the default.
    pub(crate) fn get(self) -> i32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse() {
            Ok(limit @ 1..=MAX_LIMIT) => Ok(Self(limit)),
            _ => Err(D::Error::custom(format!("must be a number between 1 and {MAX_LIMIT}"))),
        }
    }
}
