//! What can be refused, and its status.

use bodega_runtime::status::{self, Violations};
use tonic::{Code, Status};

use crate::cart::{MAX_LINES, MAX_QUANTITY};

/// Why a call fails: refusals a shopper can act on, then causes that are nobody's business.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Fields that no cart could make sense of.
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// The line would leave its bounds; it stays as it was.
    #[error("a line holds 1 to {MAX_QUANTITY} units, those in the cart already included")]
    QuantityOutOfBounds,
    /// One more line would be too many.
    #[error("a cart holds at most {MAX_LINES} products")]
    CartFull,
    /// No guest's cart has this token, or it has ended.
    #[error("no such cart")]
    CartNotFound,
    /// The cart has no line of this product.
    #[error("the cart does not hold this product")]
    ItemNotFound,
    /// There is no such product, or it is no longer sold.
    #[error("no such product")]
    ProductNotFound,
    /// The prices of the catalog do not add up to 64 bits.
    #[error("the total exceeds 64 bits")]
    TotalOverflow,
    /// The catalog's answer.
    #[error(transparent)]
    Upstream(#[from] Status),
    /// The database's answer.
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(cause: sqlx::Error) -> Self {
        match status::violated_constraint(&cause) {
            Some("quantity_in_bounds") => Self::QuantityOutOfBounds,
            _ => Self::Database(cause),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        use status::{database, internal, rejected, rejected_field, upstream};
        match error {
            Error::Invalid(violations) => violations.into(),
            Error::QuantityOutOfBounds => rejected_field(
                Code::InvalidArgument,
                "invalid_field",
                "quantity",
                format!("must be 1 to {MAX_QUANTITY}, what is in the cart already included"),
            ),
            Error::CartFull => rejected(Code::FailedPrecondition, "cart_full", &error),
            Error::CartNotFound => rejected(Code::NotFound, "cart_not_found", &error),
            Error::ItemNotFound => rejected(Code::NotFound, "item_not_found", &error),
            Error::ProductNotFound => rejected(Code::NotFound, "product_not_found", &error),
            Error::TotalOverflow => internal(&error),
            Error::Upstream(cause) => upstream(cause),
            Error::Database(cause) => database(&cause),
        }
    }
}
