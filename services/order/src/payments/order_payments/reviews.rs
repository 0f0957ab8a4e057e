//! Reviews of payments by a person.

use uuid::Uuid;

use super::{OrderPayments, SnapshotOutcome, Source};
use crate::{
    error::Error,
    payments::{
        payment::PaymentStatus::{Completed, RefundPending, Refunded},
        provider::{IntentSnapshot, IntentState},
        review::{Decision, Resolution, Review, ReviewChange, ReviewReason},
    },
};

impl OrderPayments {
    /// Opens the review of a payment, unless one is open.
    pub(crate) fn open_review(&mut self, payment_id: Uuid, review: Review) {
        let Some(payment) = self.payment_mut(payment_id).filter(|payment| payment.review.is_none()) else {
            return;
        };
        payment.review = Some(review.clone());
        self.review_changes.push(ReviewChange::Opened { payment_id, review });
    }

    /// Resolves the review of a payment, and changes the payment and the order as a person has decided.
    ///
    /// # Errors
    /// [`Error::PaymentNotFound`], [`Error::PaymentNotInReview`] and [`Error::InvalidResolution`].
    pub(crate) fn resolve(&mut self, payment_id: Uuid, decision: Decision) -> Result<(), Error> {
        let index = self.index(payment_id).ok_or(Error::PaymentNotFound)?;
        let (status, resolution) = (self.payments[index].status, decision.resolution);
        self.payments[index].review.take().ok_or(Error::PaymentNotInReview)?;
        if !resolution.is_possible(status) {
            return Err(Error::InvalidResolution { status: status.as_str(), resolution });
        }
        match resolution {
            Resolution::Completed if status.is_unpaid() => self.complete(index),
            Resolution::Refunded if status.is_unpaid() => {
                self.payments[index].closed = false;
                // As money that the order does not need.
                self.update(index, Completed);
                self.update(index, RefundPending);
                self.complete_refund(index);
            }
            Resolution::Refunded if status != Refunded => self.complete_refund(index),
            Resolution::Cancelled => self.close_cancelled(payment_id),
            Resolution::Retry => {
                let payment = &mut self.payments[index];
                payment.poll_count = 0;
                // Otherwise the next review would be opened at once.
                payment.failed_refunds += i32::from(payment.is_refund_exhausted());
            }
            Resolution::Completed | Resolution::Refunded => {}
        }
        self.review_changes.push(ReviewChange::Resolved { payment_id, decision });
        Ok(())
    }

    /// Records that a refund has failed that had been reported as successful.
    pub(super) fn apply_failed_refund(&mut self, index: usize, refund_id: &str) -> SnapshotOutcome {
        if self.apply_failed_partial_refund(index, refund_id) {
            return SnapshotOutcome::Applied;
        }
        let payment = &self.payments[index];
        let is_latest = payment.refund_id.as_deref().is_none_or(|latest| latest == refund_id);
        if payment.status != Refunded || !is_latest || payment.review.is_some() {
            return SnapshotOutcome::Unchanged;
        }
        self.open_review(payment.id, Review { reason: ReviewReason::RefundFailed, reported: None });
        SnapshotOutcome::Applied
    }

    /// Opens a review if a snapshot reports money that does not match the payment.
    pub(super) fn review_mismatch(
        &mut self,
        index: usize,
        snapshot: &IntentSnapshot,
        mismatch: SnapshotOutcome,
        source: Source,
    ) {
        let reason = match (mismatch, self.payments[index].status) {
            // Events of other intents may name this payment in their metadata.
            (SnapshotOutcome::WrongOrder, status) if source == Source::Poll && status.is_unpaid() => {
                ReviewReason::WrongOrder
            }
            // A person has accepted another amount before.
            (SnapshotOutcome::WrongAmount | SnapshotOutcome::WrongCurrency, Completed)
                if snapshot.state == IntentState::Refunded =>
            {
                ReviewReason::RefundedElsewhere
            }
            (SnapshotOutcome::WrongAmount, status) if status.is_unpaid() => ReviewReason::WrongAmount,
            (SnapshotOutcome::WrongCurrency, status) if status.is_unpaid() => ReviewReason::WrongCurrency,
            _ => return,
        };
        self.open_review_of(index, reason, snapshot);
    }

    pub(super) fn open_review_of(&mut self, index: usize, reason: ReviewReason, snapshot: &IntentSnapshot) {
        let reported = Some((snapshot.amount_minor, snapshot.currency.clone()));
        self.open_review(self.payments[index].id, Review { reason, reported });
    }
}
