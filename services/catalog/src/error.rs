//! Errors of the catalog service, and their gRPC statuses.

use std::{fmt::Display, time::Duration};

use bodega_media::{Rejected, StorageError, StoreError};
use bodega_runtime::{
    database::IsConflict,
    rate_limit,
    status::{self, Violations},
};
use tonic::{Code, Status};
use tracing::error;

/// Retry delay of uploads that fail because the storage is down or the upload limit is reached.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Retry delay of searches.
const SEARCH_RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// An invalid limit or cursor.
    #[error(transparent)]
    Page(#[from] Status),
    #[error("category not found")]
    CategoryNotFound,
    #[error("a category with this name already exists")]
    CategoryExists,
    #[error("tag not found")]
    TagNotFound,
    #[error("a tag with this name already exists")]
    TagExists,
    #[error("product not found")]
    ProductNotFound,
    #[error("variant not found")]
    VariantNotFound,
    #[error("product has version {actual}")]
    VersionMismatch { actual: i64 },
    #[error("another variant has this SKU")]
    SkuExists,
    /// Price and stock belong to the variants.
    #[error("the product has several variants: change theirs with PUT /api/products/{{id}}/variants")]
    HasVariants,
    #[error("image not found")]
    ImageNotFound,
    #[error("images[{index}] {reason}")]
    ImageRejected { index: usize, reason: Rejected },
    #[error("images[{index}] {limit}")]
    TooManyImages { index: usize, limit: String },
    /// An upload ended early, or its parts were in the wrong order.
    #[error("images[{index}] {problem}")]
    UploadIncomplete { index: usize, problem: &'static str },
    /// An upload took so long that the deletion of its first images has begun.
    #[error("image upload took too long")]
    ImageExpired,
    #[error(transparent)]
    Storage(StorageError),
    /// Too many searches at the same time, or a search that took too long.
    #[error("too many searches at the same time")]
    SearchOverloaded,
    #[error(transparent)]
    RateLimit(#[from] rate_limit::Error),
    #[error("stock of this order was released")]
    ReservationReleased,
    #[error(transparent)]
    Database(sqlx::Error),
}

impl IsConflict for Error {
    fn database_error(&self) -> Option<&sqlx::Error> {
        if let Self::Database(error) = self { Some(error) } else { None }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match status::violated_constraint(&error) {
            Some("category_names_are_unique") => Self::CategoryExists,
            Some("tag_names_are_unique") => Self::TagExists,
            Some("variant_skus_are_unique") => Self::SkuExists,
            _ => Self::Database(error),
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
        use status::{database, rejected, retryable};
        match error {
            Error::Invalid(violations) => violations.into(),
            Error::Page(status) => status,
            Error::CategoryNotFound => rejected(Code::NotFound, "category_not_found", &error),
            Error::CategoryExists => rejected(Code::AlreadyExists, "category_exists", &error),
            Error::TagNotFound => rejected(Code::NotFound, "tag_not_found", &error),
            Error::TagExists => rejected(Code::AlreadyExists, "tag_exists", &error),
            Error::ProductNotFound => rejected(Code::NotFound, "product_not_found", &error),
            Error::VariantNotFound => rejected(Code::NotFound, "variant_not_found", &error),
            Error::VersionMismatch { .. } => rejected(Code::Aborted, "version_mismatch", &error),
            Error::SkuExists => rejected(Code::AlreadyExists, "sku_exists", &error),
            Error::HasVariants => rejected(Code::FailedPrecondition, "has_variants", &error),
            Error::ImageNotFound => rejected(Code::NotFound, "image_not_found", &error),
            Error::ImageRejected { index, reason } => match reason {
                Rejected::TooLarge { .. } => rejected_image(index, "image_too_large", reason),
                Rejected::Unsupported => rejected_image(index, "unsupported_image", reason),
                Rejected::Invalid(_) => rejected_image(index, "invalid_image", reason),
                Rejected::Busy => retryable(Code::Unavailable, "image_worker_busy", reason, RETRY_AFTER),
            },
            Error::TooManyImages { index, limit } => rejected_image(index, "too_many_images", limit),
            Error::UploadIncomplete { index, problem } => rejected_image(index, "upload_incomplete", problem),
            Error::ImageExpired => retryable(Code::Unavailable, "timeout", &error, RETRY_AFTER),
            Error::Storage(error) => {
                error!("upload rejected as unavailable: {error}");
                retryable(
                    Code::Unavailable,
                    "storage_unavailable",
                    "image storage is unavailable",
                    RETRY_AFTER,
                )
            }
            Error::SearchOverloaded => retryable(Code::Unavailable, "overloaded", &error, SEARCH_RETRY_AFTER),
            Error::RateLimit(error) => error.into(),
            Error::ReservationReleased => rejected(Code::FailedPrecondition, "reservation_released", &error),
            Error::Database(error) => database(&error),
        }
    }
}

/// Rejects an upload because of one of its images.
fn rejected_image(index: usize, reason: &str, message: impl Display) -> Status {
    status::rejected_field(Code::InvalidArgument, reason, &format!("images[{index}]"), message.to_string())
}
