//! Payments: what they have come to, and what is to be done about them next.

use std::time::Duration;

use uuid::Uuid;

use crate::{payments::OFFLINE, provider::NewIntent};

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    /// The shopper is to pay.
    RequiresPayment,
    /// The shopper has paid; the money is on its way.
    Processing,
    /// Declined, or called off before any money moved.
    Failed,
    /// The money is there.
    Completed,
    /// The money is to go back.
    RefundPending,
    /// The money went back.
    Refunded,
}

impl PaymentStatus {
    /// Its name, in the database and in messages.
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

    /// Whether a shopper may be at it.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::RequiresPayment | Self::Processing)
    }

    /// Whether no money has come of it so far.
    pub(crate) fn is_unpaid(self) -> bool {
        self.is_open() || self == Self::Failed
    }
}

/// As long as an order waits for its payment, where nothing else is configured, somebody may be waiting for what becomes
/// of it.
const FRESH: Duration = Duration::from_secs(30 * 60);
/// And as long as these looks take, whenever something has changed.
const FRESH_LOOKS: i32 = 60;

/// One attempt to pay an order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Payment {
    /// UUIDv7.
    pub id: Uuid,
    /// Of its order, from 1.
    pub attempt: i32,
    /// Who moves the money.
    pub provider: String,
    pub status: PaymentStatus,
    /// The provider's name for it, once it is known.
    pub intent_id: Option<String>,
    /// Lets the shopper pay it. Known once the provider has answered us, and never logged.
    pub client_secret: Option<String>,
    /// In minor units.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// No money can come of it any more.
    pub closed: bool,
    /// The provider's name for the refund under way.
    pub refund_id: Option<String>,
    /// How many refunds have failed: the next one needs a key of its own.
    pub failed_refunds: i32,
    /// Somebody is asking the provider for its intent.
    pub being_created: bool,
    /// How often it was looked at since anything changed.
    pub poll_count: i32,
    /// Whether its provider did not answer when it was looked at just now.
    pub is_unanswered: bool,
    /// Seconds since it was begun.
    pub age_seconds: f64,
}

impl Payment {
    /// A new attempt.
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
            being_created: false,
            poll_count: 0,
            is_unanswered: false,
            age_seconds: 0.0,
        }
    }

    /// What its intent is made from.
    pub(crate) fn wanted(&self, order_id: Uuid) -> NewIntent {
        NewIntent {
            order_id,
            payment_id: self.id,
            attempt: self.attempt,
            amount_minor: self.amount_minor,
            currency: self.currency.clone(),
        }
    }

    /// The key of its next refund: the same until that one has failed.
    pub(crate) fn refund_key(&self) -> String {
        format!("bodega-refund-{}-{}", self.id, self.failed_refunds)
    }

    /// Whether money can come of it without our doing: it is to be watched.
    pub(crate) fn is_live(&self) -> bool {
        self.status.is_unpaid() && !self.closed
    }

    /// Whether somebody may be waiting for what becomes of it.
    pub(crate) fn is_fresh(&self) -> bool {
        self.age_seconds < FRESH.as_secs_f64() || self.poll_count < FRESH_LOOKS
    }

    /// Whether no provider can have been asked for it any more with an answer that got to a shopper.
    pub(crate) fn was_never_made(&self) -> bool {
        self.intent_id.is_none() && !self.being_created
    }

    /// What is left of the `window` that a shopper has to pay; `None` where payments do not expire.
    pub(crate) fn left_of(&self, window: Option<Duration>) -> Option<Duration> {
        let window = window.filter(|_| self.provider != OFFLINE)?;
        Some(window.saturating_sub(Duration::from_secs_f64(self.age_seconds.max(0.0))))
    }
}
