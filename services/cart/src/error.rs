//! Errors, and the gRPC status of each.

use bodega_runtime::{
    rate_limit,
    status::{self, Violations},
};
use tonic::{Code, Status};

use crate::cart::{MAX_LINES, MAX_QUANTITY};

/// Rejections that a client can act on, then errors of the catalog and the database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Invalid(#[from] Violations),
    #[error("quantity must be between 1 and {MAX_QUANTITY}")]
    QuantityOutOfRange,
    #[error("a cart can contain at most {MAX_LINES} products")]
    CartFull,
    /// The guest token is unknown or expired.
    #[error("cart not found")]
    CartNotFound,
    #[error("the product is not in the cart")]
    ItemNotFound,
    /// The product does not exist or is archived.
    #[error("product not found")]
    ProductNotFound,
    /// The variant does not exist, is archived, or belongs to another product.
    #[error("variant not found")]
    VariantNotFound,
    /// The product has several variants.
    #[error("variant_id must be one of {choices}")]
    VariantRequired { choices: String },
    #[error("the total of the cart exceeds 64 bits")]
    TotalOverflow,
    #[error(transparent)]
    RateLimit(#[from] rate_limit::Error),
    #[error(transparent)]
    Upstream(#[from] Status),
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match status::violated_constraint(&error) {
            Some("quantity_in_bounds") => Self::QuantityOutOfRange,
            _ => Self::Database(error),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        use status::{database, internal, rejected, rejected_field, upstream};
        match error {
            Error::Invalid(violations) => violations.into(),
            Error::QuantityOutOfRange => rejected_field(
                Code::InvalidArgument,
                "invalid_field",
                "quantity",
                format!("must be between 1 and {MAX_QUANTITY}, including the units already in the cart"),
            ),
            Error::CartFull => rejected(Code::FailedPrecondition, "cart_full", &error),
            Error::CartNotFound => rejected(Code::NotFound, "cart_not_found", &error),
            Error::ItemNotFound => rejected(Code::NotFound, "item_not_found", &error),
            Error::ProductNotFound => rejected(Code::NotFound, "product_not_found", &error),
            Error::VariantNotFound => rejected(Code::NotFound, "variant_not_found", &error),
            Error::VariantRequired { choices } => rejected_field(
                Code::InvalidArgument,
                "variant_required",
                "variant_id",
                format!("must be one of {choices}"),
            ),
            Error::TotalOverflow => internal(&error),
            Error::RateLimit(error) => error.into(),
            Error::Upstream(source) => upstream(source),
            Error::Database(source) => database(&source),
        }
    }
}
