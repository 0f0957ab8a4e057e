//! URLs of stored images.

use crate::image_key::ImageKey;

/// The URLs of a stored image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUrls {
    /// Absolute, or a path on the gateway's host.
    pub url: String,
    /// The URL of the thumbnail.
    pub thumbnail_url: String,
}

impl ImageUrls {
    /// Returns the URLs of an image that is served under its key below `base`.
    pub(crate) fn below(base: &str, key: &ImageKey) -> Self {
        Self { url: format!("{base}/{key}"), thumbnail_url: format!("{base}/{}", key.thumbnail()) }
    }
}
