//! Refunds of parts of a payment.

use uuid::Uuid;

use super::OrderPayments;
use crate::payments::{
    payment::{Payment, PaymentStatus},
    provider::{ListedRefund, ProviderError, Refund, RefundState, offline},
    refunds::{PartialRefund, RefundChange, RefundStatus},
};

/// Keys of a refund that the provider may find unusable before the refund fails.
const MAX_KEYS: i32 = 20;

impl Payment {
    /// Returns the sum of the refunds of its parts that have not failed.
    pub(crate) fn partly_refunded_minor(&self) -> i64 {
        let counted = self.refunds.iter().filter(|refund| refund.status != RefundStatus::Failed);
        counted.map(|refund| refund.amount_minor).sum()
    }

    fn succeeded_refunds_minor(&self) -> i64 {
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

    /// Returns whether the provider has refunded more than is recorded.
    pub(super) fn has_unknown_refunds(&self) -> bool {
        self.refunded_minor > self.partly_refunded_minor()
            && self.intent_id.is_some()
            && self.provider != offline::NAME
    }
}

impl OrderPayments {
    /// Returns the payment whose parts can be refunded.
    pub(crate) fn completed_payment(&self) -> Option<&Payment> {
        self.completed().map(|index| &self.payments[index])
    }

    /// Applies the result of a call that was made for a refund when it had the key `key_number`. Does nothing if the refund has
    /// got another key or has ended meanwhile.
    pub(crate) fn apply_partial_refund(
        &mut self,
        payment_id: Uuid,
        (refund_id, key_number): (Uuid, i32),
        result: &Result<Refund, ProviderError>,
    ) {
        let Some(payment) = self.payment_mut(payment_id) else { return };
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
                    RefundState::Failed => refund.status = RefundStatus::Failed,
                    RefundState::Pending => {}
                }
                refund.is_accepted |= *state != RefundState::Failed;
                (*state == RefundState::Failed).then(|| "the payment provider could not refund it".to_owned())
            }
            Err(ProviderError::Unavailable(_)) => None,
            Err(ProviderError::KeyUnusable(error)) => {
                refund.key_number += 1;
                refund.poll_count = 0;
                (refund.key_number >= MAX_KEYS).then(|| error.clone())
            }
            Err(ProviderError::Rejected(error) | ProviderError::NotFound(error)) => Some(error.clone()),
        };
        if failure.is_some() {
            refund.status = RefundStatus::Failed;
            // It never had any effect.
            refund.is_accepted = was_accepted;
        }
        let refund = refund.clone();
        if refund.status == RefundStatus::Failed && was_accepted {
            // The provider has counted it.
            payment.refunded_minor = payment.refunded_minor.saturating_sub(refund.amount_minor).max(0);
        }
        if refund.status == RefundStatus::Succeeded {
            payment.refunded_minor = payment.refunded_minor.max(payment.succeeded_refunds_minor());
        }
        let (has_failed, has_succeeded) =
            (refund.status == RefundStatus::Failed, refund.status == RefundStatus::Succeeded);
        self.refund_changes.push(RefundChange::Updated { refund, failure, has_failed, has_succeeded });
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
        payment.refunded_minor = payment.refunded_minor.saturating_sub(refund.amount_minor).max(0);
        let refund = refund.clone();
        let failure = Some("the refund has failed at the payment provider".to_owned());
        self.refund_changes.push(RefundChange::Updated {
            refund,
            failure,
            has_failed: true,
            has_succeeded: false,
        });
        true
    }

    /// Applies the refunds of a payment that the provider has listed: those of this service get their state, and others are
    /// recorded. One that does not fit beside a pending refund is recorded after the provider has rejected that one.
    pub(crate) fn apply_listed_refunds(&mut self, payment_id: Uuid, listed: &[ListedRefund]) {
        let is_settled = |payment: &Payment| payment.status == PaymentStatus::Completed;
        let Some(index) = self.index(payment_id).filter(|index| is_settled(&self.payments[*index])) else {
            return;
        };
        for ListedRefund { refund, amount_minor, refund_id } in listed {
            let known = self.payments[index].refunds.iter().find(|known| {
                Some(known.id) == *refund_id || known.provider_refund_id.as_deref() == Some(&*refund.id)
            });
            match known.map(|known| (known.status, (known.id, known.key_number))) {
                Some((RefundStatus::Pending, key)) => {
                    self.apply_partial_refund(payment_id, key, &Ok(refund.clone()));
                }
                Some(_) if refund.state == RefundState::Failed => {
                    self.apply_failed_partial_refund(index, &refund.id);
                }
                Some(_) => {}
                None if refund.state == RefundState::Failed => {}
                None => self.record_external_refund(index, refund, *amount_minor),
            }
        }
        let counted = listed.iter().filter(|listed| listed.refund.state != RefundState::Failed);
        let refunded = counted.map(|listed| listed.amount_minor).sum::<i64>();
        // Another refund may have succeeded since they were listed.
        let payment = &mut self.payments[index];
        payment.refunded_minor = refunded.max(payment.succeeded_refunds_minor());
    }

    fn record_external_refund(&mut self, index: usize, refund: &Refund, amount_minor: i64) {
        let payment = &mut self.payments[index];
        let fits = payment.partly_refunded_minor().saturating_add(amount_minor) <= payment.amount_minor;
        if !fits || amount_minor <= 0 || payment.refund_id.as_deref() == Some(&*refund.id) {
            return;
        }
        let found = PartialRefund {
            id: Uuid::now_v7(),
            status: match refund.state {
                RefundState::Succeeded => RefundStatus::Succeeded,
                RefundState::Pending | RefundState::Failed => RefundStatus::Pending,
            },
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
