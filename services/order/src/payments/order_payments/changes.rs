//! Everything that changes the books.

use uuid::Uuid;

use super::{Books, Outcome, Source, Step};
use crate::{
    error::Error,
    payment::{
        Payment,
        PaymentStatus::{self, Completed, Failed, Processing, RefundPending, Refunded, RequiresPayment},
    },
    payments::OFFLINE,
    provider::{IntentSnapshot, IntentState, Refund, RefundState},
    status::OrderStatus,
};

impl Books {
    /// Moves the order, with all that this means for its payments.
    ///
    /// # Errors
    /// [`Error::InvalidTransition`].
    pub(crate) fn move_to(&mut self, to: OrderStatus, actor: Option<Uuid>) -> Result<(), Error> {
        if !self.status.can_become(to) {
            return Err(Error::InvalidTransition { from: self.status, to });
        }
        self.status = to;
        let payment = match to {
            OrderStatus::Paid => Some((self.paid_offline(), Completed)),
            OrderStatus::Cancelled => self.completed().map(|index| self.set(index, RefundPending)),
            _ => None,
        };
        self.steps.push(Step { status: to, moved: true, payment, actor });
        // Shoppers who are still at it are to be stopped, and soon.
        self.payments.iter_mut().for_each(|payment| payment.poll_count = 0);
        Ok(())
    }

    /// Begins another attempt to pay.
    pub(crate) fn begin(&mut self, provider: &str) -> &mut Payment {
        let index = self.add(provider);
        self.note(self.payments[index].id, RequiresPayment);
        &mut self.payments[index]
    }

    /// Somebody has looked at a payment.
    pub(crate) fn looked_at(&mut self, payment_id: Uuid) {
        if let Some(payment) = self.payment_mut(payment_id) {
            payment.poll_count = payment.poll_count.saturating_add(1);
        }
    }

    /// Nobody has answered the look at a payment.
    pub(crate) fn unanswered(&mut self, payment_id: Uuid) {
        if let Some(payment) = self.payment_mut(payment_id) {
            payment.is_unanswered = true;
        }
    }

    /// Gives up a payment that the provider will not take or never heard of.
    pub(crate) fn give_up(&mut self, payment_id: Uuid) {
        let Some(index) = self.index(payment_id) else { return };
        if self.payments[index].is_live() {
            self.fail(index);
            self.payments[index].closed = true;
        }
    }

    /// Takes in what was seen of a payment's intent. What does not belong to the payment changes nothing.
    pub(crate) fn take_in(&mut self, payment_id: Uuid, snapshot: &IntentSnapshot, source: Source) -> Outcome {
        let Some(index) = self.index(payment_id) else { return Outcome::UnknownPayment };
        if let Some(wrong) = self.mismatch(index, snapshot) {
            return wrong;
        }
        let before = (self.steps.len(), self.payments[index].closed);
        self.payments[index].intent_id.get_or_insert_with(|| snapshot.intent_id.clone());
        match (self.payments[index].status, snapshot.state) {
            (_, IntentState::Open) => {}
            (RequiresPayment, IntentState::Processing) => self.step(index, Processing),
            // The shopper tries again. An event may as well be one from before it was declined.
            (Failed, IntentState::Processing) if source == Source::Asked && !self.payments[index].closed => {
                self.step(index, Processing);
            }
            (RequiresPayment | Processing, IntentState::Declined) => self.fail(index),
            (RequiresPayment | Processing | Failed, IntentState::Cancelled) => {
                self.fail(index);
                self.payments[index].closed = true;
            }
            (RequiresPayment | Processing | Failed, IntentState::Succeeded) => self.money_came(index),
            (RequiresPayment | Processing | Failed, IntentState::Refunded) => {
                self.money_came(index);
                if self.payments[index].status == Completed {
                    self.money_left(index);
                }
            }
            (Completed, IntentState::Refunded) => self.money_left(index),
            // A refund of ours is seen as soon as it is made: whether it gets through, it says itself.
            (RefundPending, IntentState::Refunded) => {}
            (Processing | Failed, IntentState::Processing | IntentState::Declined)
            | (Completed | RefundPending | Refunded, _) => {}
        }
        if before == (self.steps.len(), self.payments[index].closed) {
            return Outcome::Unchanged;
        }
        self.payments[index].poll_count = 0;
        Outcome::Applied
    }

    /// Takes in how far the refund of a payment has come.
    pub(crate) fn take_in_refund(&mut self, payment_id: Uuid, refund: &Refund) {
        let Some(index) =
            self.index(payment_id).filter(|index| self.payments[*index].status == RefundPending)
        else {
            return;
        };
        match refund.state {
            RefundState::Succeeded => self.money_left(index),
            RefundState::Pending => self.payments[index].refund_id = Some(refund.id.clone()),
            RefundState::Failed => self.refund_failed(payment_id),
        }
    }

    /// A refund came to nothing: the next one is another.
    pub(crate) fn refund_failed(&mut self, payment_id: Uuid) {
        let payment = self.payment_mut(payment_id).filter(|payment| payment.status == RefundPending);
        let Some(payment) = payment else { return };
        payment.refund_id = None;
        payment.failed_refunds = payment.failed_refunds.saturating_add(1);
    }

    /// What a snapshot has that the payment has not.
    fn mismatch(&self, index: usize, snapshot: &IntentSnapshot) -> Option<Outcome> {
        let payment = &self.payments[index];
        if snapshot.order_id.is_some_and(|order_id| order_id != self.id) {
            Some(Outcome::WrongOrder)
        } else if payment.intent_id.as_ref().is_some_and(|intent_id| *intent_id != snapshot.intent_id) {
            Some(Outcome::WrongIntent)
        } else if payment.currency != snapshot.currency {
            Some(Outcome::WrongCurrency)
        } else if payment.amount_minor != snapshot.amount_minor {
            Some(Outcome::WrongAmount)
        } else {
            None
        }
    }

    /// The money of a payment is there. Where the order cannot use it, it goes back.
    fn money_came(&mut self, index: usize) {
        let is_needed = !self.is_paid() && self.status != OrderStatus::Cancelled;
        self.payments[index].closed = false;
        let payment = Some(self.set(index, Completed));
        let moved = is_needed && self.status.can_become(OrderStatus::Paid);
        if moved {
            self.status = OrderStatus::Paid;
        }
        self.steps.push(Step { status: self.status, moved, payment, actor: None });
        if !is_needed {
            self.step(index, RefundPending);
        }
    }

    /// The money of a payment went back. An order that had it, and has not left yet, ends.
    fn money_left(&mut self, index: usize) {
        let was_in_use = self.payments[index].status == Completed;
        let payment = Some(self.set(index, Refunded));
        self.payments[index].closed = true;
        let moved = was_in_use && self.status.can_become(OrderStatus::Cancelled);
        if moved {
            self.status = OrderStatus::Cancelled;
        }
        self.steps.push(Step { status: self.status, moved, payment, actor: None });
    }

    /// An admin has seen the money: the payment that it completes.
    fn paid_offline(&mut self) -> Uuid {
        let open = self.payments.iter().position(|payment| payment.provider == OFFLINE && payment.is_live());
        let index = open.unwrap_or_else(|| self.add(OFFLINE));
        self.set(index, Completed).0
    }

    /// The next attempt, where it now is.
    fn add(&mut self, provider: &str) -> usize {
        let attempt = self.latest().map_or(1, |latest| latest.attempt.saturating_add(1));
        self.payments.push(Payment::new(attempt, provider, self.total_minor, &self.currency));
        self.payments.len() - 1
    }

    fn fail(&mut self, index: usize) {
        if self.payments[index].status != Failed {
            self.step(index, Failed);
        }
    }

    /// A step of a payment alone.
    fn step(&mut self, index: usize, status: PaymentStatus) {
        let (id, status) = self.set(index, status);
        self.note(id, status);
    }

    fn note(&mut self, payment_id: Uuid, status: PaymentStatus) {
        let payment = Some((payment_id, status));
        self.steps.push(Step { status: self.status, moved: false, payment, actor: None });
    }

    fn set(&mut self, index: usize, status: PaymentStatus) -> (Uuid, PaymentStatus) {
        let payment = &mut self.payments[index];
        payment.status = status;
        payment.poll_count = 0;
        (payment.id, status)
    }
}
