//! What can be refused, and its status.

use bodega_runtime::status::{self, Violations};
use tonic::{Code, Status};

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
    /// The order's stock was given back: it is to get none any more.
    #[error("the stock of this order was given back")]
    ReservationReleased,
    /// The database's answer.
    #[error(transparent)]
    Database(sqlx::Error),
}

impl Error {
    /// Whether the database undid the work for the sake of somebody else's, so that it is worth doing again.
    pub(crate) fn is_conflict(&self) -> bool {
        let Self::Database(cause) = self else { return false };
        let code = cause.as_database_error().and_then(sqlx::error::DatabaseError::code);
        // serialization_failure, deadlock_detected
        matches!(code.as_deref(), Some("40001" | "40P01"))
    }
}

impl From<sqlx::Error> for Error {
    fn from(cause: sqlx::Error) -> Self {
        match status::violated_constraint(&cause) {
            Some("categories_name_key") => Self::CategoryExists,
            Some("tags_name_key") => Self::TagExists,
            _ => Self::Database(cause),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        use status::{database, refusal};
        match error {
            Error::Invalid(violations) => violations.into(),
            Error::Page(refused) => refused,
            Error::CategoryNotFound => refusal(Code::NotFound, "category_not_found", &error),
            Error::CategoryExists => refusal(Code::AlreadyExists, "category_exists", &error),
            Error::TagNotFound => refusal(Code::NotFound, "tag_not_found", &error),
            Error::TagExists => refusal(Code::AlreadyExists, "tag_exists", &error),
            Error::ProductNotFound => refusal(Code::NotFound, "product_not_found", &error),
            Error::VersionMismatch { .. } => refusal(Code::Aborted, "version_mismatch", &error),
            Error::ReservationReleased => refusal(Code::FailedPrecondition, "reservation_released", &error),
            Error::Database(cause) => database(&cause),
        }
    }
}
