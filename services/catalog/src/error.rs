//! What can be refused, and its status.

use std::{fmt::Display, time::Duration};

use bodega_media::{Rejected, StorageError, StoreError};
use bodega_runtime::{
    database::IsConflict,
    status::{self, Violations},
};
use tonic::{Code, Status};
use tracing::error;

/// When to come back to a storage of pictures that is down, or to pictures that find no room.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why a call fails: refusals a client can act on, then causes that are nobody's business.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Fields that cannot be.
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// A limit or a cursor that cannot be; refused by the runtime already.
    #[error(transparent)]
    Page(#[from] Status),
    /// No category has this id.
    #[error("no such category")]
    CategoryNotFound,
    /// Another category has this name.
    #[error("there is a category of this name already")]
    CategoryExists,
    /// No tag has this id.
    #[error("no such tag")]
    TagNotFound,
    /// Another tag has this name.
    #[error("there is a tag of this name already")]
    TagExists,
    /// No product has this id, or it is archived.
    #[error("no such product")]
    ProductNotFound,
    /// Somebody changed the product meanwhile.
    #[error("the product is at version {actual} by now")]
    VersionMismatch {
        /// The version it has.
        actual: i64,
    },
    /// The product has no image of this id.
    #[error("the product has no such image")]
    ImageNotFound,
    /// One of the pictures of an upload cannot be kept.
    #[error("images[{index}] {refused}")]
    Picture {
        /// Which.
        index: usize,
        /// Why.
        refused: Rejected,
    },
    /// There are more pictures than may be.
    #[error("images[{index}] {bound}")]
    TooManyImages {
        /// The first that may not be.
        index: usize,
        /// How many may be.
        bound: String,
    },
    /// An upload breaks off, or its parts are out of order.
    #[error("images[{index}] {how}")]
    UploadIncomplete {
        /// The picture that was about to come.
        index: usize,
        /// What is wrong.
        how: &'static str,
    },
    /// The pictures of an upload took so long that the first are being swept.
    #[error("the pictures took too long to be kept")]
    PictureSwept,
    /// The storage of pictures does not do what it is asked to.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The order's stock was given back: it is to get none any more.
    #[error("the stock of this order was given back")]
    ReservationReleased,
    /// The database's answer.
    #[error(transparent)]
    Database(sqlx::Error),
}

impl IsConflict for Error {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Database(cause) if cause.is_conflict())
    }
}

impl From<sqlx::Error> for Error {
    fn from(cause: sqlx::Error) -> Self {
        match status::violated_constraint(&cause) {
            Some("category_names_are_unique") => Self::CategoryExists,
            Some("tag_names_are_unique") => Self::TagExists,
            _ => Self::Database(cause),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(error) => error.into(),
            StoreError::Storage(error) => Self::Storage(error),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        use status::{database, rejected, unavailable};
        match error {
            Error::Invalid(violations) => violations.into(),
            Error::Page(refused) => refused,
            Error::CategoryNotFound => rejected(Code::NotFound, "category_not_found", &error),
            Error::CategoryExists => rejected(Code::AlreadyExists, "category_exists", &error),
            Error::TagNotFound => rejected(Code::NotFound, "tag_not_found", &error),
            Error::TagExists => rejected(Code::AlreadyExists, "tag_exists", &error),
            Error::ProductNotFound => rejected(Code::NotFound, "product_not_found", &error),
            Error::VersionMismatch { .. } => rejected(Code::Aborted, "version_mismatch", &error),
            Error::ImageNotFound => rejected(Code::NotFound, "image_not_found", &error),
            Error::Picture { index, refused } => of_picture(index, &refused),
            Error::TooManyImages { index, bound } => of_image(index, "too_many_images", bound),
            Error::UploadIncomplete { index, how } => of_image(index, "upload_incomplete", how),
            Error::PictureSwept => unavailable(&error, RETRY_AFTER),
            Error::Storage(cause) => {
                error!("{cause}");
                unavailable("pictures cannot be kept at the moment", RETRY_AFTER)
            }
            Error::ReservationReleased => rejected(Code::FailedPrecondition, "reservation_released", &error),
            Error::Database(cause) => database(&cause),
        }
    }
}

fn of_picture(index: usize, refused: &Rejected) -> Status {
    match refused {
        Rejected::TooLarge { .. } => of_image(index, "image_too_large", refused),
        Rejected::Unsupported => of_image(index, "unsupported_image", refused),
        Rejected::Invalid(_) => of_image(index, "invalid_image", refused),
        Rejected::Busy => status::unavailable(refused, RETRY_AFTER),
    }
}

/// The refusal of one of the pictures that were sent.
fn of_image(index: usize, reason: &str, message: impl Display) -> Status {
    status::rejected_field(Code::InvalidArgument, reason, &format!("images[{index}]"), message.to_string())
}
