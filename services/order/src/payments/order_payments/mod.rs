//! The payments of an order, together with its status: both change in one transaction.
//!
//! Nothing here calls a provider or the database. [`update_locked`](super::update::update_locked) loads the aggregate under
//! a lock and saves its changes, so that concurrent changes are serialized.
//!
//! A provider's events may arrive twice, late and in any order. Money only moves forward here: from unpaid to completed,
//! then to the refund. So the order of the events does not matter.

mod changes;
mod refunds;
mod reviews;
#[cfg(test)]
mod tests;

use std::time::Duration;

use uuid::Uuid;

use super::{
    payment::{
        Payment,
        PaymentStatus::{self, Completed, Processing, RefundPending, Refunded},
    },
    provider::offline,
    refunds::RefundChange,
    review::ReviewChange,
};
use crate::{
    backoff::{poll_pause, provider_retry_pause, refund_retry_pause},
    error::Error,
    orders::status::OrderStatus,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderPayments {
    pub order_id: Uuid,
    pub status: OrderStatus,
    pub total_minor: i64,
    pub currency: String,
    /// Time since the order was placed.
    pub age_ms: i64,
    /// In the order of their attempts.
    pub payments: Vec<Payment>,
    /// The changes since the aggregate was loaded.
    pub new_events: Vec<NewEvent>,
    /// The reviews that were opened or resolved since.
    pub review_changes: Vec<ReviewChange>,
    /// The refunds of parts that have changed or were found since.
    pub refund_changes: Vec<RefundChange>,
    /// Whether a part of the order was shipped: then it cannot be cancelled.
    pub has_shipments: bool,
}

/// A change of an order, of its payment, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewEvent {
    /// Status of the order after the change.
    pub status: OrderStatus,
    /// Whether the order's status has changed.
    pub status_changed: bool,
    /// The payment that has changed, and its status after the change.
    pub payment: Option<(Uuid, PaymentStatus)>,
    /// The user who made the change; `None` for the system.
    pub actor: Option<Uuid>,
}

/// The source of a snapshot of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Polling: the intent is in this state now.
    Poll,
    /// A webhook event, or a poll that was overtaken: the intent was in this state at some time.
    Event,
}

/// The result of applying a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotOutcome {
    Applied,
    /// The snapshot contained nothing new.
    Unchanged,
    /// No payment has this intent.
    UnknownPayment,
    /// The snapshot is of another account, or of test mode while live mode is configured, or the reverse.
    WrongAccount,
    WrongOrder,
    WrongIntent,
    WrongAmount,
    WrongCurrency,
}

impl SnapshotOutcome {
    /// Returns the name of the outcome in the database and in the log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::UnknownPayment => "unknown_payment",
            Self::WrongAccount => "wrong_account",
            Self::WrongOrder => "wrong_order",
            Self::WrongIntent => "wrong_intent",
            Self::WrongAmount => "wrong_amount",
            Self::WrongCurrency => "wrong_currency",
        }
    }
}

/// The action that a payment requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Nothing,
    /// Retrieve the state of the intent.
    Poll,
    /// Cancel the intent: the order does not need it, or its payment window has ended.
    CancelIntent,
    Refund,
    /// List the refunds of the intent: some were not made by this service, or have failed.
    ListRefunds,
    /// Cancel the order: its payment window has ended.
    CancelOrder,
    /// Open a review: the provider reports no final state, or the refund fails again and again.
    Review,
}

impl OrderPayments {
    /// Returns whether a change since the aggregate was loaded refunds a payment.
    pub(crate) fn begins_refund(&self) -> bool {
        let is_refund = |event: &NewEvent| event.payment.is_some_and(|(_, status)| status == RefundPending);
        self.new_events.iter().any(is_refund)
    }

    pub(crate) fn payment(&self, id: Uuid) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.id == id)
    }

    pub(crate) fn payment_mut(&mut self, id: Uuid) -> Option<&mut Payment> {
        self.payments.iter_mut().find(|payment| payment.id == id)
    }

    /// Returns whether the order was cancelled since the aggregate was loaded.
    pub(crate) fn was_cancelled(&self) -> bool {
        self.new_events.iter().any(|event| event.status_changed && event.status == OrderStatus::Cancelled)
    }

    fn latest(&self) -> Option<&Payment> {
        self.payments.last()
    }

    fn is_paid(&self) -> bool {
        self.completed().is_some()
    }

    /// Checks that the order can be paid.
    ///
    /// # Errors
    /// [`Error::AlreadyPaid`], [`Error::NotPayable`] and [`Error::NothingToPay`].
    pub(crate) fn check_payable(&self) -> Result<(), Error> {
        if self.is_paid() || self.status == OrderStatus::Paid {
            return Err(Error::AlreadyPaid);
        }
        match self.status {
            OrderStatus::Completed | OrderStatus::Cancelled => Err(Error::NotPayable(self.status)),
            _ if self.has_open_review() => Err(Error::PaymentInReview),
            _ if self.total_minor == 0 => Err(Error::NothingToPay),
            _ => Ok(()),
        }
    }

    /// Returns whether a person has to decide about a payment of the order.
    pub(crate) fn has_open_review(&self) -> bool {
        self.payments.iter().any(|payment| payment.review.is_some())
    }

    /// Returns whether the order was to be paid within `window` and was not. An order that the merchant has confirmed does not
    /// expire.
    pub(crate) fn is_expired(&self, window: Option<Duration>) -> bool {
        self.time_left(window).is_some_and(|left| left.is_zero())
    }

    /// Returns whether the order waits for this payment.
    fn needs(&self, payment: &Payment) -> bool {
        self.latest().is_some_and(|latest| latest.id == payment.id) && self.check_payable().is_ok()
    }

    /// Returns the action that a payment requires if unpaid orders expire after `window`.
    pub(crate) fn due_action(&self, payment: &Payment, window: Option<Duration>) -> Action {
        let needed = self.needs(payment);
        let expired = needed && self.is_expired(window);
        match payment.status {
            _ if payment.review.is_some() => Action::Nothing,
            RefundPending if payment.is_stale() || payment.is_refund_exhausted() => Action::Review,
            RefundPending => Action::Refund,
            Completed if payment.has_unknown_refunds() => Action::ListRefunds,
            Completed | Refunded if payment.recheck_in().is_some() => Action::Poll,
            Completed | Refunded => Action::Nothing,
            _ if payment.closed && expired => Action::CancelOrder,
            _ if payment.closed => Action::Nothing,
            // An intent that is being processed cannot be cancelled.
            Processing if payment.is_stale() => Action::Review,
            _ if payment.is_beyond_cancelling() => Action::Review,
            _ if !needed || expired || payment.is_stale() => Action::CancelIntent,
            _ if payment.intent_id.is_none() || payment.provider == offline::NAME => Action::Nothing,
            _ => Action::Poll,
        }
    }

    /// Returns the pause until the next poll of a payment, or `None` if it is not polled again.
    pub(crate) fn next_poll_in(&self, payment: &Payment, window: Option<Duration>) -> Option<Duration> {
        let time_left = self.time_left(window).filter(|left| !left.is_zero());
        let retry_pause = provider_retry_pause(payment.poll_count, payment.is_recent());
        let poll_pause = poll_pause(payment.poll_count, payment.is_recent());
        let pause = if payment.last_poll_failed { retry_pause } else { poll_pause };
        match self.due_action(payment, window) {
            // The provider need not be called, but the order expires if the payment does not arrive.
            Action::Nothing if payment.status.is_unpaid() && self.needs(payment) => time_left,
            Action::Nothing => None,
            // The refund was created, but may take days.
            Action::Refund if payment.refund_id.is_some() => Some(pause),
            Action::Refund => Some(refund_retry_pause(payment.failed_refunds).unwrap_or(retry_pause)),
            Action::Poll if payment.status.is_unpaid() => {
                Some(time_left.map_or(pause, |left| pause.min(left)))
            }
            Action::Poll => payment.recheck_in(),
            // An intent that is being processed cannot be cancelled.
            Action::CancelIntent if payment.status == Processing => Some(pause),
            Action::CancelIntent | Action::CancelOrder | Action::ListRefunds | Action::Review => {
                Some(retry_pause)
            }
        }
    }

    /// Returns the time until the order expires if it is not paid; `None` if it does not expire.
    fn time_left(&self, window: Option<Duration>) -> Option<Duration> {
        let window = window.filter(|_| self.status == OrderStatus::Pending)?;
        let age = Duration::from_millis(u64::try_from(self.age_ms).unwrap_or_default());
        Some(window.saturating_sub(age))
    }

    fn completed(&self) -> Option<usize> {
        self.payments.iter().position(|payment| payment.status == Completed)
    }

    fn index(&self, payment_id: Uuid) -> Option<usize> {
        self.payments.iter().position(|payment| payment.id == payment_id)
    }
}
