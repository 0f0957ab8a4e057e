//! Refunds of parts of a payment: lines, shipping or an amount.
//!
//! 1. [`create`] computes the amounts from what the order has stored ([`amounts`]) and stores the refund, under the lock of the
//!    order: the refunds of a payment never exceed its amount, which a constraint checks as well.
//! 2. [`process`] asks the provider, with the refund's id as the idempotency key. Once the provider has accepted the refund, the
//!    catalog is notified of the returned units.
//! 3. Refunds that a person makes at the provider are found by the amount that the provider reports, and are recorded as
//!    external refunds.
//!
//! A refund that the provider has rejected has failed, and its units are not returned. If it fails later, its units stay
//! returned, and its amount can be refunded again. A refund that may have been made fails by its state at the provider only, or
//! if the provider does not list it: otherwise its amount could be refunded twice.

pub(crate) mod amounts;
pub(crate) mod create;
pub(crate) mod process;

use std::time::Duration;

use bodega_runtime::timeouts::INLINE_GRACE;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    backoff::{RETRY, poll_pause, refund_retry_pause},
    payments::provider::RefundState,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum RefundStatus {
    /// The provider has not confirmed it yet.
    Pending,
    Succeeded,
    Failed,
}

impl RefundStatus {
    /// Returns the name in the database and in messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Returns the status of a refund that has this state at the provider.
    pub(crate) fn of(state: RefundState) -> Self {
        match state {
            RefundState::Pending => Self::Pending,
            RefundState::Succeeded => Self::Succeeded,
            RefundState::Failed => Self::Failed,
        }
    }
}

/// A refund of a part of a payment, as far as the payment and the provider are concerned.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct PartialRefund {
    pub id: Uuid,
    pub status: RefundStatus,
    pub amount_minor: i64,
    /// Whether it was made at the provider, not by this service.
    pub is_external: bool,
    /// The provider's id of the refund, once it is known.
    pub provider_refund_id: Option<String>,
    /// Number of idempotency keys that the provider cannot use any more.
    pub key_number: i32,
    pub poll_count: i32,
    /// Whether the provider has accepted it: from then on its units stay returned.
    pub is_accepted: bool,
    /// Whether the catalog is to be notified of returned units.
    pub has_units_to_return: bool,
    /// Time since it was created.
    pub age_ms: i64,
}

impl PartialRefund {
    /// Returns the idempotency key at the provider.
    pub(crate) fn provider_key(&self) -> String {
        match self.key_number {
            0 => self.id.to_string(),
            number => format!("{}-{number}", self.id),
        }
    }

    /// Returns whether an earlier call may have made it with another idempotency key, or one that the provider has forgotten:
    /// then the provider's refunds must be read before it is asked again.
    pub(crate) fn may_have_been_made(&self) -> bool {
        const KEY_LIFETIME_MS: i64 = 12 * 3_600_000;
        self.key_number > 0 || self.age_ms > KEY_LIFETIME_MS
    }

    /// Returns whether no earlier call can have made it: the process that has stored it is making the first one.
    pub(crate) fn is_first_attempt(&self) -> bool {
        self.key_number == 0 && self.poll_count == 0 && self.age() < INLINE_GRACE
    }

    pub(crate) fn age(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.age_ms).unwrap_or_default())
    }

    /// Returns whether the provider has failed for so many keys that no other is tried.
    pub(crate) fn is_out_of_keys(&self) -> bool {
        self.key_number >= MAX_KEYS
    }

    /// Returns the pause until the provider or the catalog is called, or `None` if there is nothing to do.
    pub(crate) fn next_attempt_in(&self) -> Option<Duration> {
        match self.status {
            _ if self.is_accepted && self.has_units_to_return => Some(RETRY.pause(self.poll_count)),
            RefundStatus::Pending if self.provider_refund_id.is_some() => {
                Some(poll_pause(self.poll_count, self.poll_count < RECENT_POLLS))
            }
            RefundStatus::Pending if self.key_number > 0 => {
                let pause = refund_retry_pause(self.key_number.min(MAX_KEYS - 1));
                Some(pause.unwrap_or_else(|| RETRY.pause(self.poll_count)))
            }
            RefundStatus::Pending if self.poll_count < RECENT_POLLS => Some(RETRY.pause(self.poll_count)),
            RefundStatus::Pending => Some(poll_pause(self.poll_count, false)),
            RefundStatus::Succeeded | RefundStatus::Failed => None,
        }
    }
}

/// Keys of a refund that the provider may find unusable before no other is tried.
const MAX_KEYS: i32 = 20;
/// Polls after which a refund is polled less often.
const RECENT_POLLS: i32 = 60;

/// What an admin wants to refund. It is stored with the refund, so that the idempotency key cannot be used for another request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefundRequest {
    pub order_id: Uuid,
    /// Lines whose units are returned; each product once.
    pub lines: Vec<RequestedLine>,
    /// Whether all that is left of the price of shipping is refunded.
    pub shipping: bool,
    /// The amount if it is neither for lines nor for shipping, in minor units.
    pub amount_minor: Option<i64>,
    /// Whether the units are added back to the stock.
    pub restock: bool,
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequestedLine {
    /// The number of the variant.
    pub product_id: i32,
    /// The returned units.
    pub quantity: i32,
    /// Of them: units that were not shipped, and will not be. `None`: those that exceed the shipped units.
    pub unshipped_quantity: Option<i32>,
}

/// A change of a refund, which is saved with its payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RefundChange {
    /// Its status, its id at the provider or its key has changed.
    Updated {
        refund: PartialRefund,
        failure: Option<String>,
        has_failed: bool,
        has_succeeded: bool,
        /// Whether it had failed before.
        is_revived: bool,
    },
    /// A refund was found that was made at the provider.
    Found { payment_id: Uuid, currency: String, refund: PartialRefund },
}
