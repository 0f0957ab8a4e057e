//! A payment: one attempt to pay an order.

use std::time::Duration;

use bodega_runtime::telemetry;
use uuid::Uuid;

use super::provider::{NewIntent, offline};

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    /// The customer has not paid yet.
    RequiresPayment,
    /// The customer has paid, and the provider is still processing the payment.
    Processing,
    /// Declined, or cancelled before any money moved.
    Failed,
    /// The money has arrived.
    Completed,
    /// A refund is required or under way.
    RefundPending,
    Refunded,
}

impl PaymentStatus {
    pub(crate) const ALL: [Self; 6] = [
        Self::RequiresPayment,
        Self::Processing,
        Self::Failed,
        Self::Completed,
        Self::RefundPending,
        Self::Refunded,
    ];
    /// The statuses in which a provider is polled.
    pub(crate) const POLLED: [Self; 4] =
        [Self::RequiresPayment, Self::Processing, Self::Failed, Self::RefundPending];

    /// Returns the name of the status in the database and in messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPayment => "requires_payment",
            Self::Processing => "processing",
            Self::Failed => "failed",
            Self::Completed => "completed",
            Self::RefundPending => "refund_pending",
            Self::Refunded => "refunded",
        }
    }

    /// Returns whether a customer may be paying.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::RequiresPayment | Self::Processing)
    }

    /// Returns whether no money has arrived so far.
    pub(crate) fn is_unpaid(self) -> bool {
        self.is_open() || self == Self::Failed
    }
}

/// Up to this age a payment is recent: a client may be waiting for it. Equal to the default payment window.
const RECENT_AGE: Duration = Duration::from_secs(30 * 60);
/// An older payment is recent for this many polls after a change.
const RECENT_POLLS: i32 = 60;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub id: Uuid,
    /// The number of the payment among those of its order, from 1.
    pub attempt: i32,
    pub provider: String,
    pub status: PaymentStatus,
    /// The provider's id of the intent, once it is known.
    pub intent_id: Option<String>,
    /// Allows a client to pay the intent. Never logged.
    pub client_secret: Option<String>,
    pub amount_minor: i64,
    pub currency: String,
    /// Whether no money can arrive any more.
    pub closed: bool,
    /// The provider's id of the refund under way.
    pub refund_id: Option<String>,
    /// Number of failed refunds. The next refund needs another idempotency key than these.
    pub failed_refunds: i32,
    /// Whether a process has the lease to create the intent: another process, or this one once it has set the field.
    pub intent_leased: bool,
    /// Polls since the last change.
    pub poll_count: i32,
    /// Whether the provider was unavailable for the poll that is being recorded.
    pub last_poll_failed: bool,
    pub age_ms: i64,
    /// The trace of the call that started it.
    pub traceparent: Option<String>,
}

impl Payment {
    pub(crate) fn new(attempt: i32, provider: &str, amount_minor: i64, currency: &str) -> Self {
        Self {
            id: Uuid::now_v7(),
            attempt,
            provider: provider.to_owned(),
            status: PaymentStatus::RequiresPayment,
            intent_id: None,
            client_secret: None,
            amount_minor,
            currency: currency.to_owned(),
            closed: false,
            refund_id: None,
            failed_refunds: 0,
            intent_leased: false,
            poll_count: 0,
            last_poll_failed: false,
            age_ms: 0,
            traceparent: telemetry::traceparent(),
        }
    }

    /// Returns the parameters of its intent.
    pub(crate) fn new_intent(&self, order_id: Uuid) -> NewIntent {
        NewIntent {
            order_id,
            payment_id: self.id,
            attempt: self.attempt,
            amount_minor: self.amount_minor,
            currency: self.currency.clone(),
        }
    }

    /// Returns the idempotency key of its refund, which changes when a refund has failed.
    pub(crate) fn refund_key(&self) -> String {
        format!("bodega-refund-{}-{}", self.id, self.failed_refunds)
    }

    /// Returns whether money may still arrive.
    pub(crate) fn may_be_paid(&self) -> bool {
        self.status.is_unpaid() && !self.closed
    }

    /// Returns whether a client may be waiting for its next change.
    pub(crate) fn is_recent(&self) -> bool {
        self.age() < RECENT_AGE || self.poll_count < RECENT_POLLS
    }

    /// Returns whether no client has an intent of this payment, and no call is creating one.
    pub(crate) fn has_no_intent(&self) -> bool {
        self.intent_id.is_none() && !self.intent_leased
    }

    /// Returns what is left of the payment window; `None` for payments that do not expire.
    pub(crate) fn time_left(&self, window: Option<Duration>) -> Option<Duration> {
        let window = window.filter(|_| self.provider != offline::NAME)?;
        Some(window.saturating_sub(self.age()))
    }

    fn age(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.age_ms).unwrap_or_default())
    }
}
