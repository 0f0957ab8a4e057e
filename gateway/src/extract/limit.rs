//! The size of a page.

use bodega_runtime::page::MAX_LIMIT;
use serde::{Deserialize, Deserializer, de::Error as _};

/// Rows of a page, 1 to [`MAX_LIMIT`]; the list's own default where nothing is said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limit(i32);

impl Limit {
    /// As the services take it: 0 for the default.
    pub(crate) fn get(self) -> i32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse() {
            Ok(limit @ 1..=MAX_LIMIT) => Ok(Self(limit)),
            _ => Err(D::Error::custom(format!("use a number from 1 to {MAX_LIMIT}"))),
        }
    }
}
