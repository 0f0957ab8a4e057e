//! Refunds of parts of a payment.

use uuid::Uuid;

use super::OrderPayments;
use crate::payments::{
    payment::{Payment, PaymentStatus},
    provider::{ListedRefund, ProviderError, Refund, RefundState, offline},
    refunds::{PartialRefund, RefundChange, RefundStatus},
    review::{Review, ReviewReason},
};

/// Polls after which a person has to decide about a refund that the provider does not know, which takes some minutes,
const UNKNOWN_POLLS: i32 = 100;
/// and about one of which the state cannot be read, which takes some hours.
const UNAVAILABLE_POLLS: i32 = 1_000;

impl Payment {
    /// Returns the sum of the refunds of its parts that have not failed.
    pub(crate) fn partly_refunded_minor(&self) -> i64 {
        let counted = self.refunds.iter().filter(|refund| refund.status != RefundStatus::Failed);
        counted.map(|refund| refund.amount_minor).sum()
    }

    /// Returns the sum of the refunds of its parts that have succeeded.
    pub(super) fn succeeded_refunds_minor(&self) -> i64 {
        let succeeded = self.refunds.iter().filter(|refund| refund.status == RefundStatus::Succeeded);
        succeeded.map(|refund| refund.amount_minor).sum()
    }

    /// Returns the amount that can still be refunded. The provider may have refunded more than is recorded.
    pub(crate) fn refundable_minor(&self) -> i64 {
        let refunded = self.partly_refunded_minor().max(self.refunded_minor);
        self.amount_minor.saturating_sub(refunded).max(0)
    }

    /// Returns whether this service has refunded a part of it.
    pub(super) fn has_own_refunds(&self) -> bool {
        self.refunds.iter().any(|refund| !refund.is_external && refund.status != RefundStatus::Failed)
    }

    /// Returns whether refunds of all its parts are recorded.
    pub(super) fn is_refunded(&self) -> bool {
        self.partly_refunded_minor() >= self.amount_minor
    }

    /// Returns whether the provider has refunded more than is recorded, or less than has succeeded.
    pub(super) fn has_unknown_refunds(&self) -> bool {
        let recorded = self.succeeded_refunds_minor()..=self.partly_refunded_minor();
        !recorded.contains(&self.refunded_minor) && self.intent_id.is_some() && self.provider != offline::NAME
    }

    /// Subtracts a refund that has failed. The provider may not have reported it before.
    fn subtract_failed_refund(&mut self, amount_minor: i64) {
        let left = self.refunded_minor.saturating_sub(amount_minor);
        self.refunded_minor = left.max(self.succeeded_refunds_minor());
    }

    fn has_failed_refund(&self, refund_id: Uuid) -> bool {
        self.refunds.iter().any(|refund| refund.id == refund_id && refund.status == RefundStatus::Failed)
    }
}

impl OrderPayments {
    /// Returns the payment whose parts can be refunded.
    pub(crate) fn completed_payment(&self) -> Option<&Payment> {
        self.completed().map(|index| &self.payments[index])
    }

    /// Applies the result of a call that was made for a refund when it had the key `key_number`. Does nothing if the refund has
    /// got another key or has ended meanwhile.
    ///
    /// A refund that was accepted fails by its state at the provider only, and by no error.
    pub(crate) fn apply_partial_refund(
        &mut self,
        payment_id: Uuid,
        (refund_id, key_number): (Uuid, i32),
        result: &Result<Refund, ProviderError>,
    ) {
        let Some(index) = self.index(payment_id) else { return };
        let payment = &mut self.payments[index];
        let Some(refund) = payment.refunds.iter_mut().find(|refund| refund.id == refund_id) else { return };
        if refund.status != RefundStatus::Pending || refund.key_number != key_number {
            return;
        }
        let was_accepted = refund.is_accepted;
        refund.poll_count = refund.poll_count.saturating_add(1);
        let failure = match result {
            Ok(Refund { id, state }) => {
                refund.provider_refund_id = Some(id.clone()).filter(|id| !id.is_empty());
                match state {
                    RefundState::Succeeded => refund.status = RefundStatus::Succeeded,
                    RefundState::Failed | RefundState::Pending => {}
                }
                refund.is_accepted |= *state != RefundState::Failed;
                (*state == RefundState::Failed).then(|| "the payment provider could not refund it".to_owned())
            }
            Err(ProviderError::KeyUnusable(_)) if !was_accepted => {
                refund.key_number += 1;
                refund.poll_count = 0;
                None
            }
            Err(ProviderError::Rejected(error)) if !was_accepted => Some(error.clone()),
            Err(_) => None,
        };
        if failure.is_some() {
            refund.status = RefundStatus::Failed;
        }
        let is_overdue = match result {
            _ if refund.status != RefundStatus::Pending => false,
            Ok(_) | Err(ProviderError::KeyUnusable(_)) => false,
            Err(ProviderError::NotFound(_) | ProviderError::Rejected(_)) => {
                refund.poll_count % UNKNOWN_POLLS == 0
            }
            Err(ProviderError::Unavailable(_)) => refund.poll_count % UNAVAILABLE_POLLS == 0,
        };
        let refund = refund.clone();
        if failure.is_some() && was_accepted {
            payment.subtract_failed_refund(refund.amount_minor);
        }
        let (has_failed, has_succeeded) = (failure.is_some(), refund.status == RefundStatus::Succeeded);
        if has_succeeded {
            payment.refunded_minor = payment.refunded_minor.max(payment.succeeded_refunds_minor());
        }
        self.refund_changes.push(RefundChange::Updated {
            refund,
            failure,
            has_failed,
            has_succeeded,
            is_revived: false,
        });
        if is_overdue {
            self.open_review(payment_id, Review { reason: ReviewReason::Unsettled, reported: None });
        }
        // It was made, whether or not this service has got the response.
        if has_failed && result.is_ok() {
            self.review_failed_part(index);
        }
    }

    /// Opens a review if a part fails beside the refund of the rest: that one does not contain the part, which the customer
    /// still has to get.
    fn review_failed_part(&mut self, index: usize) {
        let payment = &self.payments[index];
        if matches!(payment.status, PaymentStatus::RefundPending | PaymentStatus::Refunded) {
            self.open_review(payment.id, Review { reason: ReviewReason::RefundFailed, reported: None });
        }
    }

    /// Records that a refund of a part has failed after it was accepted. Returns false if no such refund is known, or it has
    /// failed before.
    pub(super) fn apply_failed_partial_refund(&mut self, index: usize, provider_refund_id: &str) -> bool {
        let payment = &mut self.payments[index];
        let is_it = |refund: &&mut PartialRefund| {
            refund.provider_refund_id.as_deref() == Some(provider_refund_id)
                && refund.status != RefundStatus::Failed
        };
        let Some(refund) = payment.refunds.iter_mut().find(is_it) else { return false };
        refund.status = RefundStatus::Failed;
        let refund = refund.clone();
        payment.subtract_failed_refund(refund.amount_minor);
        let failure = Some("the refund has failed at the payment provider".to_owned());
        self.refund_changes.push(RefundChange::Updated {
            refund,
            failure,
            has_failed: true,
            has_succeeded: false,
            is_revived: false,
        });
        self.review_failed_part(index);
        true
    }

    /// Applies the refunds of a payment that the provider has listed when the payment was `polled`: those of this service get
    /// their state, and others are recorded. One that does not fit beside a pending refund is recorded after the provider has
    /// rejected that one.
    pub(crate) fn apply_listed_refunds(
        &mut self,
        payment_id: Uuid,
        listed: &[ListedRefund],
        polled: &Payment,
    ) {
        let is_settled = |payment: &Payment| payment.status == PaymentStatus::Completed;
        let Some(index) = self.index(payment_id).filter(|index| is_settled(&self.payments[*index])) else {
            return;
        };
        for ListedRefund { refund, amount_minor, refund_id } in listed {
            let refunds = &self.payments[index].refunds;
            let by_id = |known: &&PartialRefund| known.provider_refund_id.as_deref() == Some(&*refund.id);
            // Another one with its metadata was made as well.
            let by_metadata =
                |known: &&PartialRefund| Some(known.id) == *refund_id && known.provider_refund_id.is_none();
            let known = refunds.iter().find(by_id).or_else(|| refunds.iter().find(by_metadata));
            let has_failed = refund.state == RefundState::Failed;
            match known.map(|known| (known.status, known.id, known)) {
                Some((RefundStatus::Pending, id, known)) => {
                    let key = (id, known.key_number);
                    self.apply_partial_refund(payment_id, key, &Ok(refund.clone()));
                }
                Some((RefundStatus::Succeeded, ..)) if has_failed => {
                    self.apply_failed_partial_refund(index, &refund.id);
                }
                // The list is older if it has failed since.
                Some((RefundStatus::Failed, id, known)) if !has_failed && polled.has_failed_refund(id) => {
                    if known.is_accepted {
                        self.revive_refund(index, id, refund.state);
                    } else if known.provider_refund_id.is_none() {
                        // Its units were not returned, and may have been returned by another refund since.
                        self.record_external_refund(index, refund, *amount_minor);
                    }
                }
                Some(_) => {}
                None if has_failed => {}
                None => self.record_external_refund(index, refund, *amount_minor),
            }
        }
        let counted = listed.iter().filter(|listed| listed.refund.state != RefundState::Failed);
        let refunded = counted.map(|listed| listed.amount_minor).sum::<i64>();
        // Another refund may have succeeded since they were listed.
        let payment = &mut self.payments[index];
        payment.refunded_minor = refunded.max(payment.succeeded_refunds_minor());
    }

    /// Records that a refund is made which was recorded as failed. Its units have stayed returned.
    fn revive_refund(&mut self, index: usize, refund_id: Uuid, state: RefundState) {
        let payment = &mut self.payments[index];
        let left_minor = payment.amount_minor.saturating_sub(payment.partly_refunded_minor());
        let Some(refund) = payment.refunds.iter_mut().find(|refund| refund.id == refund_id) else { return };
        if refund.amount_minor > left_minor {
            return;
        }
        refund.status = RefundStatus::of(state);
        refund.poll_count = 0;
        let refund = refund.clone();
        let has_succeeded = refund.status == RefundStatus::Succeeded;
        self.refund_changes.push(RefundChange::Updated {
            refund,
            failure: None,
            has_failed: false,
            has_succeeded,
            is_revived: true,
        });
    }

    fn record_external_refund(&mut self, index: usize, refund: &Refund, amount_minor: i64) {
        let payment = &mut self.payments[index];
        let fits = payment.partly_refunded_minor().saturating_add(amount_minor) <= payment.amount_minor;
        if !fits || amount_minor <= 0 || payment.refund_id.as_deref() == Some(&*refund.id) {
            return;
        }
        let found = PartialRefund {
            id: Uuid::now_v7(),
            status: RefundStatus::of(refund.state),
            amount_minor,
            is_external: true,
            provider_refund_id: Some(refund.id.clone()),
            key_number: 0,
            poll_count: 0,
            is_accepted: true,
            has_units_to_return: false,
            age_ms: 0,
        };
        payment.refunds.push(found.clone());
        let (payment_id, currency) = (payment.id, payment.currency.clone());
        self.refund_changes.push(RefundChange::Found { payment_id, currency, refund: found });
    }
}
