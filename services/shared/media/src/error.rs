//! What can go wrong: with a picture, and with a storage.

use std::{error::Error, fmt::Write as _};

/// Why an upload is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// More bytes than may be.
    #[error("must have at most {max_bytes} bytes")]
    TooLarge {
        /// The bound.
        max_bytes: usize,
    },
    /// No JPEG, PNG, WebP or GIF by its content.
    #[error("must be a JPEG, PNG, WebP or GIF")]
    Unsupported,
    /// Is cut off, cannot be decoded, or has too many pixels: says which.
    #[error("{0}")]
    Invalid(String),
    /// No room for one more now.
    #[error("too many pictures at once")]
    Busy,
}

/// That a storage did not do what it was asked to. As text: with every cause, and without any secret.
#[derive(Debug, thiserror::Error)]
#[error("the storage of pictures: {}", with_causes(.0.as_ref()))]
pub struct StorageError(pub Box<dyn Error + Send + Sync>);

/// Clients of HTTP tell what happened in their causes only; some repeat a cause in their own text.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            let _ = write!(text, ": {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storage_error_tells_each_cause_once() {
        let cause =
            anyhow::anyhow!("connection refused").context("connect: connection refused").context("put");
        assert_eq!(
            StorageError(cause.into()).to_string(),
            "the storage of pictures: put: connect: connection refused"
        );
    }
}
