//! The changes of an order and its payments.

use std::time::Duration;

use uuid::Uuid;

use super::{NewEvent, OrderPayments, SnapshotOutcome, Source};
use crate::{
    error::Error,
    orders::status::OrderStatus,
    payments::{
        payment::{
            Payment,
            PaymentStatus::{
                self, Cancelled, Completed, Failed, Processing, RefundPending, Refunded, RequiresPayment,
            },
        },
        provider::{IntentSnapshot, IntentState, Refund, RefundState, offline},
        review::ReviewReason,
    },
};

impl OrderPayments {
    /// Changes the status of the order, and that of its payments as required.
    ///
    /// # Errors
    /// [`Error::InvalidTransition`].
    pub(crate) fn change_status(&mut self, to: OrderStatus, actor: Option<Uuid>) -> Result<(), Error> {
        if !self.status.can_become(to) {
            return Err(Error::InvalidTransition { from: self.status, to });
        }
        if to == OrderStatus::Cancelled && self.has_shipments {
            return Err(Error::PartlyShipped);
        }
        self.status = to;
        let payment = match to {
            OrderStatus::Paid => Some((self.complete_offline(), Completed)),
            OrderStatus::Cancelled => self.completed().map(|index| self.set_status(index, RefundPending)),
            _ => None,
        };
        self.new_events.push(NewEvent { status: to, status_changed: true, payment, actor });
        // Polls soon, so that intents which are not needed any more are cancelled.
        self.payments.iter_mut().for_each(|payment| payment.poll_count = 0);
        Ok(())
    }

    /// Adds a payment with a provider.
    pub(crate) fn start_payment(&mut self, provider: &str) -> &mut Payment {
        let index = self.add(provider);
        self.record(self.payments[index].id, RequiresPayment);
        &mut self.payments[index]
    }

    pub(crate) fn record_poll(&mut self, payment_id: Uuid) {
        if let Some(payment) = self.payment_mut(payment_id) {
            payment.poll_count = payment.poll_count.saturating_add(1);
        }
    }

    /// Records that the provider was unavailable for the poll.
    pub(crate) fn record_failed_poll(&mut self, payment_id: Uuid) {
        if let Some(payment) = self.payment_mut(payment_id) {
            payment.last_poll_failed = true;
        }
    }

    /// Closes a payment whose intent the provider rejects.
    pub(crate) fn close_failed(&mut self, payment_id: Uuid) {
        self.close_unpaid(payment_id, Failed);
    }

    /// Closes a payment whose intent the provider has never created, or does not know.
    pub(crate) fn close_cancelled(&mut self, payment_id: Uuid) {
        self.close_unpaid(payment_id, Cancelled);
    }

    fn close_unpaid(&mut self, payment_id: Uuid, status: PaymentStatus) {
        let Some(index) = self.index(payment_id) else { return };
        if self.payments[index].may_be_paid() {
            self.end_unpaid(index, status);
            self.payments[index].closed = true;
        }
    }

    /// Cancels an order that was not paid in time, with its payments that need no call to a provider. Does nothing if the
    /// order is not expired, if a person has to decide about a payment, or while a customer may pay an intent of `providers`:
    /// that intent is cancelled first, by its poll.
    pub(crate) fn expire(&mut self, window: Option<Duration>, providers: &[String]) -> Result<(), Error> {
        let is_polled = |payment: &Payment| {
            payment.may_be_paid()
                && payment.provider != offline::NAME
                && providers.contains(&payment.provider)
        };
        let is_kept = self.is_paid() || self.has_open_review() || self.payments.iter().any(is_polled);
        if is_kept || !self.is_expired(window) {
            return Ok(());
        }
        for index in 0..self.payments.len() {
            if self.payments[index].provider == offline::NAME {
                self.close_cancelled(self.payments[index].id);
            }
        }
        self.change_status(OrderStatus::Cancelled, None)
    }

    /// Applies the state of a payment's intent. A snapshot that does not belong to the payment changes nothing, but opens a
    /// review if it reports money.
    pub(crate) fn apply_snapshot(
        &mut self,
        payment_id: Uuid,
        snapshot: &IntentSnapshot,
        source: Source,
    ) -> SnapshotOutcome {
        let Some(index) = self.index(payment_id) else { return SnapshotOutcome::UnknownPayment };
        if let Some(refund_id) = &snapshot.failed_refund {
            return self.apply_failed_refund(index, refund_id);
        }
        if let Some(mismatch) = self.mismatch(index, snapshot) {
            self.review_mismatch(index, snapshot, mismatch, source);
            return mismatch;
        }
        let changes = |order: &Self| (order.new_events.len(), order.review_changes.len());
        let before = (changes(self), self.payments[index].clone());
        let payment = &mut self.payments[index];
        payment.intent_id.get_or_insert_with(|| snapshot.intent_id.clone());
        let has_lost_refunds = source == Source::Poll
            && payment.status == Completed
            && snapshot.refunded_minor < payment.succeeded_refunds_minor();
        payment.refunded_minor = if has_lost_refunds {
            // One has failed since, and the event was lost: they are listed next.
            snapshot.refunded_minor
        } else {
            payment.refunded_minor.max(snapshot.refunded_minor)
        };
        match (payment.status, snapshot.state) {
            (_, IntentState::Open) => {}
            (RequiresPayment, IntentState::Processing) => self.update(index, Processing),
            // The customer tries again. A webhook event may be older than the decline.
            (Failed, IntentState::Processing) if source == Source::Poll && !self.payments[index].closed => {
                self.update(index, Processing);
            }
            (RequiresPayment | Processing, IntentState::Declined) => self.end_unpaid(index, Failed),
            (RequiresPayment | Processing | Failed | Cancelled, IntentState::Cancelled) => {
                self.end_unpaid(index, Cancelled);
                self.payments[index].closed = true;
            }
            (RequiresPayment | Processing | Failed | Cancelled, IntentState::Succeeded) => {
                self.complete(index)
            }
            (RequiresPayment | Processing | Failed | Cancelled, IntentState::Refunded) => {
                self.complete(index);
                if self.payments[index].status == Completed {
                    self.complete_refund(index);
                }
            }
            // In parts; those that are not known are listed and recorded.
            (Completed, IntentState::Refunded) if self.payments[index].has_own_refunds() => {}
            // The order stays as it is, and units can still be returned: the refund is recorded as one of all parts.
            (Completed, IntentState::Refunded)
                if self.has_shipments && (source == Source::Event || self.payments[index].is_refunded()) =>
            {
                self.payments[index].refunded_minor = self.payments[index].amount_minor;
            }
            // The event was lost: the order may have been shipped since, and its stock is not where it was.
            (Completed, IntentState::Refunded) if source == Source::Poll => {
                self.open_review_of(index, ReviewReason::RefundedElsewhere, snapshot);
            }
            (Completed, IntentState::Refunded) => self.complete_refund(index),
            (Refunded, IntentState::Succeeded) if source == Source::Poll => {
                self.open_review_of(index, ReviewReason::RefundFailed, snapshot);
            }
            // The intent counts as refunded as soon as the refund is created; whether it succeeds is known from the refund.
            (RefundPending, IntentState::Refunded) => {}
            (Processing | Failed | Cancelled, IntentState::Processing | IntentState::Declined)
            | (Completed | RefundPending | Refunded, _) => {}
        }
        let intent_id = self.payments[index].intent_id.clone();
        let before = (before.0, Payment { intent_id, ..before.1 });
        if before == (changes(self), self.payments[index].clone()) {
            return SnapshotOutcome::Unchanged;
        }
        self.payments[index].poll_count = 0;
        SnapshotOutcome::Applied
    }

    /// Applies the state of a payment's refund.
    pub(crate) fn apply_refund(&mut self, payment_id: Uuid, refund: &Refund) {
        let Some(index) =
            self.index(payment_id).filter(|index| self.payments[*index].status == RefundPending)
        else {
            return;
        };
        match refund.state {
            RefundState::Succeeded => {
                if !refund.id.is_empty() {
                    self.payments[index].refund_id = Some(refund.id.clone());
                }
                self.complete_refund(index);
            }
            RefundState::Pending => self.payments[index].refund_id = Some(refund.id.clone()),
            RefundState::Failed => self.record_failed_refund(payment_id),
        }
    }

    /// Records that a refund has failed, so that the next one gets another idempotency key.
    pub(crate) fn record_failed_refund(&mut self, payment_id: Uuid) {
        let payment = self.payment_mut(payment_id).filter(|payment| payment.status == RefundPending);
        let Some(payment) = payment else { return };
        payment.refund_id = None;
        payment.failed_refunds = payment.failed_refunds.saturating_add(1);
    }

    /// Returns the first mismatch between a snapshot and the payment. Amount and currency matter once money has arrived.
    fn mismatch(&self, index: usize, snapshot: &IntentSnapshot) -> Option<SnapshotOutcome> {
        let payment = &self.payments[index];
        if snapshot.order_id.is_some_and(|order_id| order_id != self.order_id) {
            Some(SnapshotOutcome::WrongOrder)
        } else if payment.intent_id.as_ref().is_some_and(|intent_id| *intent_id != snapshot.intent_id) {
            Some(SnapshotOutcome::WrongIntent)
        } else if !matches!(snapshot.state, IntentState::Succeeded | IntentState::Refunded) {
            None
        } else if payment.currency != snapshot.currency {
            Some(SnapshotOutcome::WrongCurrency)
        } else if payment.amount_minor != snapshot.amount_minor {
            Some(SnapshotOutcome::WrongAmount)
        } else {
            None
        }
    }

    /// Records that the money of a payment has arrived. It is refunded if the order does not need it.
    pub(super) fn complete(&mut self, index: usize) {
        let is_needed = !self.is_paid() && self.status != OrderStatus::Cancelled;
        self.payments[index].closed = false;
        let payment = Some(self.set_status(index, Completed));
        let status_changed = is_needed && self.status.can_become(OrderStatus::Paid);
        if status_changed {
            self.status = OrderStatus::Paid;
        }
        self.new_events.push(NewEvent { status: self.status, status_changed, payment, actor: None });
        if !is_needed {
            self.update(index, RefundPending);
        }
    }

    /// Records that a payment was refunded. An order that it had paid is cancelled, unless it or a part of it was shipped.
    pub(super) fn complete_refund(&mut self, index: usize) {
        let was_completed = self.payments[index].status == Completed;
        let payment = Some(self.set_status(index, Refunded));
        self.payments[index].closed = true;
        self.payments[index].refunded_minor = self.payments[index].amount_minor;
        let status_changed =
            was_completed && !self.has_shipments && self.status.can_become(OrderStatus::Cancelled);
        if status_changed {
            self.status = OrderStatus::Cancelled;
        }
        self.new_events.push(NewEvent { status: self.status, status_changed, payment, actor: None });
    }

    /// Completes the offline payment when an admin marks the order paid. Returns its id.
    fn complete_offline(&mut self) -> Uuid {
        let is_open = |payment: &Payment| payment.provider == offline::NAME && payment.may_be_paid();
        let index = self.payments.iter().position(is_open).unwrap_or_else(|| self.add(offline::NAME));
        self.set_status(index, Completed).0
    }

    /// Adds the next attempt and returns its index.
    fn add(&mut self, provider: &str) -> usize {
        let attempt = self.latest().map_or(1, |latest| latest.attempt.saturating_add(1));
        self.payments.push(Payment::new(attempt, provider, self.total_minor, &self.currency));
        self.payments.len() - 1
    }

    /// Ends an attempt to pay: it has failed or was cancelled.
    fn end_unpaid(&mut self, index: usize, status: PaymentStatus) {
        if self.payments[index].status != status {
            self.update(index, status);
        }
    }

    /// Changes the status of a payment and records it.
    pub(super) fn update(&mut self, index: usize, status: PaymentStatus) {
        let (id, status) = self.set_status(index, status);
        self.record(id, status);
    }

    fn record(&mut self, payment_id: Uuid, status: PaymentStatus) {
        let payment = Some((payment_id, status));
        self.new_events.push(NewEvent { status: self.status, status_changed: false, payment, actor: None });
    }

    fn set_status(&mut self, index: usize, status: PaymentStatus) -> (Uuid, PaymentStatus) {
        let payment = &mut self.payments[index];
        payment.status = status;
        payment.poll_count = 0;
        (payment.id, status)
    }
}
