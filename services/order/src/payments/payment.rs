//! A payment: one attempt to pay an order.

use std::time::Duration;

use bodega_runtime::telemetry;
use uuid::Uuid;

use super::{
    provider::{NewIntent, offline},
    refunds::{PartialRefund, RefundStatus},
    review::Review,
};
use crate::backoff::MAX_FAILED_REFUNDS;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    /// The customer has not paid yet.
    RequiresPayment,
    /// The customer has paid, and the provider is still processing the payment.
    Processing,
    /// Declined.
    Failed,
    /// Cancelled before any money arrived.
    Cancelled,
    /// The money has arrived.
    Completed,
    /// A refund is required or under way.
    RefundPending,
    Refunded,
}

impl PaymentStatus {
    pub(crate) const ALL: [Self; 7] = [
        Self::RequiresPayment,
        Self::Processing,
        Self::Failed,
        Self::Cancelled,
        Self::Completed,
        Self::RefundPending,
        Self::Refunded,
    ];
    /// The statuses in which a provider is polled because money may still move.
    pub(crate) const POLLED: [Self; 4] =
        [Self::RequiresPayment, Self::Processing, Self::Failed, Self::RefundPending];

    /// Returns the name of the status.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPayment => "requires_payment",
            Self::Processing => "processing",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
            Self::RefundPending => "refund_pending",
            Self::Refunded => "refunded",
        }
    }

    /// Returns the name in the column `status`. Older versions of the service read the column, too: a cancelled payment is
    /// failed there, and has its own column.
    pub(crate) fn stored(self) -> &'static str {
        if self == Self::Cancelled { Self::Failed.as_str() } else { self.as_str() }
    }

    /// Returns whether a customer may be paying.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::RequiresPayment | Self::Processing)
    }

    /// Returns whether no money has arrived so far.
    pub(crate) fn is_unpaid(self) -> bool {
        self.is_open() || matches!(self, Self::Failed | Self::Cancelled)
    }
}

/// Up to this age a payment is recent: a client may be waiting for it. Equal to the default payment window.
const RECENT_AGE: Duration = Duration::from_secs(30 * 60);
/// An older payment is recent for this many polls after a change.
const RECENT_POLLS: i32 = 60;
/// Polls without a change after which polling ends, which takes about three weeks.
const MAX_POLLS: i32 = 2_000;
/// Attempts to cancel the intent then.
const CANCEL_ATTEMPTS: i32 = 50;
/// Settled payments are polled a few times up to this age, and again after each refund: after 10 minutes, and whenever they are
/// four times as old.
const RECHECK_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const MIN_RECHECK_PAUSE: Duration = Duration::from_secs(10 * 60);

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
    /// The provider's id of the latest refund, unless it has failed.
    pub refund_id: Option<String>,
    /// The amount that was refunded, in minor units.
    pub refunded_minor: i64,
    /// Refunds of its parts.
    pub refunds: Vec<PartialRefund>,
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
    /// The open review: a person has to decide about the payment.
    pub review: Option<Review>,
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
            refunded_minor: 0,
            refunds: Vec::new(),
            failed_refunds: 0,
            intent_leased: false,
            poll_count: 0,
            last_poll_failed: false,
            age_ms: 0,
            traceparent: telemetry::traceparent(),
            review: None,
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

    /// Returns whether its refund has failed so often that a person has to decide.
    pub(crate) fn is_refund_exhausted(&self) -> bool {
        self.failed_refunds > 0 && self.failed_refunds % MAX_FAILED_REFUNDS == 0
    }

    /// Returns whether its provider has been polled for so long, without any change, that polling ends.
    pub(crate) fn is_stale(&self) -> bool {
        self.poll_count >= MAX_POLLS
    }

    /// Returns whether its stale intent could not be cancelled either.
    pub(crate) fn is_beyond_cancelling(&self) -> bool {
        self.poll_count >= MAX_POLLS + CANCEL_ATTEMPTS
    }

    /// Returns the pause until a settled payment is polled again: its money may be refunded elsewhere, and its latest refund may
    /// fail later. `None` for offline payments, and after [`RECHECK_AGE`].
    pub(crate) fn recheck_in(&self) -> Option<Duration> {
        if self.provider == offline::NAME || self.intent_id.is_none() {
            return None;
        }
        let refunds = self.refunds.iter().filter(|refund| refund.status != RefundStatus::Failed);
        let age = refunds.map(PartialRefund::age).fold(self.age(), Duration::min);
        let pause = age.saturating_mul(3).max(MIN_RECHECK_PAUSE);
        Some(pause).filter(|pause| age + *pause <= RECHECK_AGE)
    }

    fn age(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.age_ms).unwrap_or_default())
    }
}
