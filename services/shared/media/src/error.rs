//! Errors of images and storages.

use std::{error::Error, fmt::Write as _};

/// Why an uploaded image is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The file is too large.
    #[error("must be at most {max_bytes} bytes")]
    TooLarge {
        /// The limit in bytes.
        max_bytes: usize,
    },
    /// The content is not an image of a supported format.
    #[error("must be a JPEG, PNG, WebP or GIF")]
    Unsupported,
    /// The image is truncated or corrupt, or has too many pixels; the message says which.
    #[error("{0}")]
    Invalid(String),
    /// The limit of concurrent uploads or of memory is reached.
    #[error("too many images are being uploaded")]
    Busy,
}

/// A failure of the image storage. Its text includes all sources, and no secrets.
#[derive(Debug, thiserror::Error)]
#[error("image storage failed: {}", with_sources(.0.as_ref()))]
pub struct StorageError(pub Box<dyn Error + Send + Sync>);

/// Why [`ImageRegistry::store`](crate::ImageRegistry::store) failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The row could not be inserted.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The object could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Appends the sources of an error that its text does not contain: HTTP clients state the reason in their sources only,
/// and some repeat a source in their own text.
fn with_sources(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            let _ = write!(text, ": {more}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storage_error_contains_each_source_once() {
        let source =
            anyhow::anyhow!("connection refused").context("connect: connection refused").context("put");
        assert_eq!(
            StorageError(source.into()).to_string(),
            "image storage failed: put: connect: connection refused"
        );
    }
}
