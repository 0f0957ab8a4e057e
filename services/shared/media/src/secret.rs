//! Texts that are never shown.

use std::fmt;

/// A part of a configuration that must not turn up in logs.
#[derive(Clone, Default)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text, for whom it is meant.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
