//! Payments that need a person: what the provider reports and what is stored contradict each other, and the system must not
//! guess. While the review of a payment is open, the system neither polls nor refunds it, and its order does not expire.

use uuid::Uuid;

use super::payment::PaymentStatus;

/// The reason why a person has to decide about a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum ReviewReason {
    /// The paid amount is not that of the order.
    WrongAmount,
    /// The paid currency is not that of the order.
    WrongCurrency,
    /// The intent names another order than the payment's.
    WrongOrder,
    /// A refund has failed after it was reported, or was rejected too often.
    RefundFailed,
    /// The money was refunded at the provider, not by this service, and the order may have been shipped since.
    RefundedElsewhere,
    /// The money is for an order that does not exist.
    OrderMissing,
    /// The provider has not reported a final state within weeks, or a refund that may have been made is unknown to it.
    Unsettled,
}

impl ReviewReason {
    /// Returns the name in the database and in messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::WrongAmount => "wrong_amount",
            Self::WrongCurrency => "wrong_currency",
            Self::WrongOrder => "wrong_order",
            Self::RefundFailed => "refund_failed",
            Self::RefundedElsewhere => "refunded_elsewhere",
            Self::OrderMissing => "order_missing",
            Self::Unsettled => "unsettled",
        }
    }
}

/// An open review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Review {
    pub reason: ReviewReason,
    /// What the provider reports, if it is the reason: minor units and currency.
    pub reported: Option<(i64, String)>,
}

/// What a person has found out about a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Resolution {
    /// The shop has the money, and it pays the order.
    Completed,
    /// The customer has the money back.
    Refunded,
    /// No money has arrived or will arrive.
    Cancelled,
    /// The system polls or refunds again.
    Retry,
}

impl Resolution {
    /// Returns the name in the database and in messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Refunded => "refunded",
            Self::Cancelled => "cancelled",
            Self::Retry => "retry",
        }
    }

    /// Returns whether the review of a payment in `status` may end like this. A refund that was reported cannot be repeated,
    /// and money of a cancelled order is not kept.
    pub(crate) fn is_possible(self, status: PaymentStatus) -> bool {
        use PaymentStatus::{Completed, RefundPending, Refunded};
        match status {
            Completed => matches!(self, Self::Completed | Self::Refunded),
            RefundPending => matches!(self, Self::Refunded | Self::Retry),
            Refunded => self == Self::Refunded,
            PaymentStatus::RequiresPayment
            | PaymentStatus::Processing
            | PaymentStatus::Failed
            | PaymentStatus::Cancelled => true,
        }
    }
}

/// A person's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub resolution: Resolution,
    pub note: Option<String>,
    /// The admin.
    pub actor: Uuid,
}

/// A change of a payment's review, which is saved with the payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReviewChange {
    Opened { payment_id: Uuid, review: Review },
    Resolved { payment_id: Uuid, decision: Decision },
}
