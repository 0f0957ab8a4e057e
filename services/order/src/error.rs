//! What can be refused, and its gRPC status.

use std::time::Duration;

use bodega_runtime::{
    database::IsConflict,
    status::{self, Violations},
};
use tonic::{Code, Status};

use crate::{provider::BadEvent, rejection::Rejection, status::OrderStatus};

/// Why a call got no answer it hoped for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the cart is empty")]
    EmptyCart,
    #[error("this idempotency key came with another request before")]
    KeyReused,
    #[error("{0}")]
    Refused(Rejection),
    /// Somebody else is at this order, and takes long.
    #[error("the order is still being placed; ask again")]
    StillPlacing,
    #[error("there is no such order")]
    NotFound,
    #[error("a {from} order cannot become {to}")]
    InvalidTransition { from: OrderStatus, to: OrderStatus },
    #[error("the order is paid already")]
    AlreadyPaid,
    #[error("a {0} order cannot be paid")]
    NotPayable(OrderStatus),
    #[error("the order comes to nothing: there is nothing to pay")]
    NothingToPay,
    /// In the provider's words.
    #[error("the payment is refused: {0}")]
    PaymentRefused(String),
    /// Somebody else is at this payment, and takes long.
    #[error("the payment is still being prepared; ask again")]
    StillPaying,
    #[error("the payment provider is unavailable")]
    ProviderDown(String),
    #[error("this payment provider is not configured")]
    UnknownProvider,
    #[error("{0}")]
    BadEvent(#[from] BadEvent),
    #[error("{0}")]
    Invalid(#[from] Violations),
    #[error("a neighbour answered {0}")]
    Upstream(#[from] Status),
    #[error("the database answered {0}")]
    Database(#[from] sqlx::Error),
}

impl IsConflict for Error {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Database(cause) if cause.is_conflict())
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        use status::{rejected, rejected_field, rejected_fields};
        match error {
            Error::EmptyCart => rejected(Code::FailedPrecondition, "empty_cart", error),
            Error::KeyReused => {
                let message = "came with another request before".to_owned();
                rejected_field(Code::InvalidArgument, "idempotency_key_reused", "idempotency_key", message)
            }
            Error::Refused(why) => {
                rejected_fields(Code::FailedPrecondition, why.reason(), &why, why.violations())
            }
            Error::StillPlacing => status::unavailable(error, Duration::from_secs(1)),
            Error::NotFound => rejected(Code::NotFound, "order_not_found", error),
            Error::InvalidTransition { .. } => {
                rejected(Code::FailedPrecondition, "invalid_transition", error)
            }
            Error::AlreadyPaid => rejected(Code::FailedPrecondition, "already_paid", error),
            Error::NotPayable(_) => rejected(Code::FailedPrecondition, "order_not_payable", error),
            Error::NothingToPay => rejected(Code::FailedPrecondition, "nothing_to_pay", error),
            Error::PaymentRefused(_) => rejected(Code::FailedPrecondition, "payment_refused", error),
            Error::StillPaying => status::unavailable(error, Duration::from_secs(1)),
            Error::ProviderDown(ref cause) => {
                tracing::warn!("The payment provider is unavailable: {cause}");
                status::unavailable(error, Duration::from_secs(2))
            }
            Error::UnknownProvider => rejected(Code::NotFound, "provider_not_configured", error),
            Error::BadEvent(BadEvent::Signature) => {
                rejected(Code::InvalidArgument, "invalid_signature", error)
            }
            Error::BadEvent(BadEvent::Unreadable) => rejected(Code::InvalidArgument, "invalid_event", error),
            Error::Invalid(violations) => violations.into(),
            Error::Upstream(cause) => status::upstream(cause),
            Error::Database(cause) => status::database(&cause),
        }
    }
}
