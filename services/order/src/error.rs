//! Errors of the use cases, and the gRPC status of each.

use std::time::Duration;

use bodega_runtime::{
    database::IsConflict,
    rate_limit,
    status::{self, Violations},
};
use tonic::{Code, Status};
use tracing::warn;

use crate::{
    checkout::rejection::Rejection,
    orders::status::OrderStatus,
    payments::{provider::InvalidEvent, review::Resolution},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cart is empty")]
    EmptyCart,
    /// The token of the guest's cart is unknown, expired, or the cart was merged into that of a user.
    #[error("cart not found")]
    CartNotFound,
    /// The amounts of the cart have no total: an error of the store.
    #[error("cart has no total: {0}")]
    NoTotal(String),
    #[error("idempotency key was sent with a different request before")]
    IdempotencyKeyReused,
    #[error("the email address must be confirmed before an order is placed")]
    EmailNotVerified,
    #[error("{0}")]
    Rejected(Rejection),
    /// Another call or worker is placing the order.
    #[error("order is still being placed")]
    StillPlacing,
    #[error("order not found")]
    OrderNotFound,
    #[error("a {from} order cannot become {to}")]
    InvalidTransition { from: OrderStatus, to: OrderStatus },
    #[error("an order that was shipped in part cannot be cancelled")]
    PartlyShipped,
    #[error("a {0} order cannot be shipped")]
    NotShippable(OrderStatus),
    #[error("all units of the order were shipped or returned")]
    NothingToShip,
    #[error("{0}")]
    ShipmentExceedsOrder(Violations),
    #[error("order has no completed payment")]
    NotPaid,
    #[error("a payment of the order is being reviewed")]
    ReviewOpen,
    /// Names the lines or the amount of which less is left.
    #[error("{0}")]
    RefundExceedsPaid(Violations),
    #[error("order is already paid")]
    AlreadyPaid,
    #[error("a {0} order cannot be paid")]
    NotPayable(OrderStatus),
    #[error("payment window of the order has ended")]
    PaymentWindowEnded,
    #[error("a payment of the order is being reviewed")]
    PaymentInReview,
    #[error("payment not found")]
    PaymentNotFound,
    #[error("payment needs no review")]
    PaymentNotInReview,
    #[error("a payment that is {status} cannot be resolved as {}", .resolution.as_str())]
    InvalidResolution { status: &'static str, resolution: Resolution },
    #[error("account has {0} pending orders, pay or cancel one first")]
    TooManyPendingOrders(u32),
    #[error("order total is zero")]
    NothingToPay,
    /// Contains the provider's message.
    #[error("payment rejected: {0}")]
    PaymentRejected(String),
    /// Another call is creating the payment intent.
    #[error("payment is still being created")]
    PaymentPending,
    #[error("payment provider is unavailable")]
    ProviderUnavailable(String),
    #[error("payment provider is not configured")]
    ProviderNotConfigured,
    #[error("{0}")]
    InvalidEvent(#[from] InvalidEvent),
    /// The caller may not refund.
    #[error("{0}")]
    RefundNotAllowed(Status),
    #[error("shipping zone not found")]
    ShippingZoneNotFound,
    #[error("another shipping zone has one of the places")]
    ShippingPlaceTaken,
    #[error("there are {0} shipping zones already")]
    TooManyShippingZones(usize),
    #[error("discount not found")]
    DiscountNotFound,
    #[error("another discount has this code")]
    DiscountCodeExists,
    #[error("there are {0} discounts without a code already")]
    TooManyDiscounts(i64),
    #[error("{0}")]
    InvalidFields(#[from] Violations),
    #[error(transparent)]
    RateLimit(#[from] rate_limit::Error),
    #[error("upstream call failed: {0}")]
    Upstream(#[from] Status),
    #[error("database error: {0}")]
    Database(#[from] sqlx::Error),
}

impl IsConflict for Error {
    fn database_error(&self) -> Option<&sqlx::Error> {
        if let Self::Database(error) = self { Some(error) } else { None }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        use status::{rejected, rejected_field, rejected_fields, retryable};
        match error {
            Error::EmptyCart => rejected(Code::FailedPrecondition, "empty_cart", error),
            Error::CartNotFound => rejected(Code::NotFound, "cart_not_found", error),
            Error::NoTotal(_) => status::internal(error),
            Error::IdempotencyKeyReused => {
                let message = "was sent with a different request before".to_owned();
                rejected_field(Code::InvalidArgument, "idempotency_key_reused", "idempotency_key", message)
            }
            Error::EmailNotVerified => rejected(Code::PermissionDenied, "email_not_verified", error),
            Error::Rejected(rejection) => {
                let code = match rejection.is_about_the_form() {
                    true => Code::InvalidArgument,
                    false => Code::FailedPrecondition,
                };
                rejected_fields(code, rejection.code(), &rejection, rejection.violations())
            }
            Error::StillPlacing | Error::PaymentPending => {
                retryable(Code::Unavailable, "timeout", error, Duration::from_secs(1))
            }
            Error::OrderNotFound => rejected(Code::NotFound, "order_not_found", error),
            Error::InvalidTransition { .. } | Error::PartlyShipped | Error::NotShippable(_) => {
                rejected(Code::FailedPrecondition, "invalid_transition", error)
            }
            Error::NothingToShip => rejected(Code::FailedPrecondition, "nothing_to_ship", error),
            Error::ShipmentExceedsOrder(violations) => {
                violations.rejected(Code::FailedPrecondition, "shipment_exceeds_order")
            }
            Error::NotPaid => rejected(Code::FailedPrecondition, "not_paid", error),
            Error::ReviewOpen => rejected(Code::FailedPrecondition, "payment_in_review", error),
            Error::RefundExceedsPaid(violations) => {
                violations.rejected(Code::FailedPrecondition, "refund_exceeds_paid")
            }
            Error::AlreadyPaid => rejected(Code::FailedPrecondition, "already_paid", error),
            Error::TooManyPendingOrders(_) => {
                rejected(Code::FailedPrecondition, "too_many_pending_orders", error)
            }
            Error::PaymentNotFound => rejected(Code::NotFound, "payment_not_found", error),
            Error::PaymentNotInReview => rejected(Code::FailedPrecondition, "payment_not_in_review", error),
            Error::InvalidResolution { .. } => {
                rejected(Code::FailedPrecondition, "invalid_resolution", error)
            }
            Error::NotPayable(_) | Error::PaymentWindowEnded | Error::PaymentInReview => {
                rejected(Code::FailedPrecondition, "order_not_payable", error)
            }
            Error::NothingToPay => rejected(Code::FailedPrecondition, "nothing_to_pay", error),
            Error::PaymentRejected(_) => rejected(Code::FailedPrecondition, "payment_refused", error),
            Error::ProviderUnavailable(ref source) => {
                warn!("payment provider is unavailable: {source}");
                let pause = Duration::from_secs(2);
                retryable(Code::Unavailable, "payment_provider_unavailable", error, pause)
            }
            Error::ProviderNotConfigured => rejected(Code::NotFound, "provider_not_configured", error),
            Error::InvalidEvent(InvalidEvent::Signature) => {
                rejected(Code::InvalidArgument, "invalid_signature", error)
            }
            Error::InvalidEvent(InvalidEvent::Malformed) => {
                rejected(Code::InvalidArgument, "invalid_event", error)
            }
            Error::RefundNotAllowed(status) => status,
            Error::ShippingZoneNotFound => rejected(Code::NotFound, "shipping_zone_not_found", error),
            Error::ShippingPlaceTaken => rejected(Code::FailedPrecondition, "shipping_place_taken", error),
            Error::TooManyShippingZones(_) => {
                rejected(Code::FailedPrecondition, "too_many_shipping_zones", error)
            }
            Error::DiscountNotFound => rejected(Code::NotFound, "discount_not_found", error),
            Error::DiscountCodeExists => rejected(Code::AlreadyExists, "discount_code_exists", error),
            Error::TooManyDiscounts(_) => rejected(Code::FailedPrecondition, "too_many_discounts", error),
            Error::InvalidFields(violations) => violations.into(),
            Error::RateLimit(error) => error.into(),
            Error::Upstream(source) => status::upstream(source),
            Error::Database(source) => status::database(&source),
        }
    }
}
