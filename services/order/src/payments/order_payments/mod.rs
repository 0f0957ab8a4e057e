//! An order and its payments, as one: what is decided here happens at once or not at all.
//!
//! Nothing here asks anybody. [`store::books`](crate::store::books) opens the books under a lock and closes them with
//! what was decided; so of any number of deciders each starts where the one before has led.
//!
//! What a provider tells may come twice, late and in any order. Money only ever goes forward here, from `failed` or open
//! to completed, then to the refund; so the order of what is told does not matter, only the sum of it.

#[path = "changes.rs"]
mod moves;
#[cfg(test)]
mod tests;

use std::time::Duration;

use uuid::Uuid;

use crate::{
    backoff,
    error::Error,
    payment::{
        Payment,
        PaymentStatus::{self, Completed, Processing, RefundPending, Refunded},
    },
    payments::OFFLINE,
    status::OrderStatus,
};

/// An order and its payments.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Books {
    /// The order's id.
    pub id: Uuid,
    pub status: OrderStatus,
    /// In minor units.
    pub total_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// By attempt.
    pub payments: Vec<Payment>,
    /// What was decided since they were opened.
    pub steps: Vec<Step>,
}

/// A step of an order, of its payment, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Where the order stands after it.
    pub status: OrderStatus,
    /// Whether it came there with this step.
    pub moved: bool,
    /// What a payment came to with it.
    pub payment: Option<(Uuid, PaymentStatus)>,
    /// Who moved it; `None` where nobody asked.
    pub actor: Option<Uuid>,
}

/// How a snapshot came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// We asked: it is how things stand now.
    Asked,
    /// We were told: it is how things stood once.
    Told,
}

/// What came of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The books have changed.
    Applied,
    /// It was nothing new.
    Unchanged,
    /// It is about no payment of ours.
    UnknownPayment,
    /// It is of another account, or of a test where we are not, or the other way round.
    WrongAccount,
    /// It names another order than its payment's.
    WrongOrder,
    /// It is about another intent than its payment's.
    WrongIntent,
    /// It is about another amount.
    WrongAmount,
    /// It is about another currency.
    WrongCurrency,
}

impl Outcome {
    /// Its name, in the database and in messages.
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

/// What is to be done about a payment, by asking its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Nothing.
    Rest,
    /// To see how far it has come.
    LookUp,
    /// To call it off: its order does not want it any more, or not for so long.
    CallOff,
    /// To give its money back.
    Refund,
    /// To cancel the order that waits for it: it is over.
    Expire,
}

impl Books {
    /// A payment by its id.
    pub(crate) fn payment(&self, id: Uuid) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.id == id)
    }

    /// The same, to be filled in.
    pub(crate) fn payment_mut(&mut self, id: Uuid) -> Option<&mut Payment> {
        self.payments.iter_mut().find(|payment| payment.id == id)
    }

    /// Whether the order was cancelled since they were opened.
    pub(crate) fn was_cancelled(&self) -> bool {
        self.steps.iter().any(|step| step.moved && step.status == OrderStatus::Cancelled)
    }

    /// The latest attempt.
    pub(crate) fn latest(&self) -> Option<&Payment> {
        self.payments.last()
    }

    /// Whether the order has its money.
    pub(crate) fn is_paid(&self) -> bool {
        self.completed().is_some()
    }

    /// Whether the order may still be paid for.
    ///
    /// # Errors
    /// That it is paid, or over.
    pub(crate) fn check_payable(&self) -> Result<(), Error> {
        if self.is_paid() || self.status == OrderStatus::Paid {
            return Err(Error::AlreadyPaid);
        }
        match self.status {
            OrderStatus::Completed | OrderStatus::Cancelled => Err(Error::NotPayable(self.status)),
            _ if self.total_minor == 0 => Err(Error::NothingToPay),
            _ => Ok(()),
        }
    }

    /// Whether a payment is what its order waits for.
    pub(crate) fn wants(&self, payment: &Payment) -> bool {
        self.latest().is_some_and(|latest| latest.id == payment.id) && self.check_payable().is_ok()
    }

    /// What is to be done about a payment, where payments expire after the `window`.
    pub(crate) fn task(&self, payment: &Payment, window: Option<Duration>) -> Task {
        let wanted = self.wants(payment);
        let expired = wanted && self.time_left(payment, window).is_some_and(|left| left.is_zero());
        match payment.status {
            RefundPending => Task::Refund,
            Completed | Refunded => Task::Rest,
            _ if payment.closed && expired => Task::Expire,
            _ if payment.closed => Task::Rest,
            _ if !wanted || expired => Task::CallOff,
            _ if payment.intent_id.is_none() || payment.provider == OFFLINE => Task::Rest,
            _ => Task::LookUp,
        }
    }

    /// When to look at a payment again; `None`: never by itself.
    pub(crate) fn look_in(&self, payment: &Payment, window: Option<Duration>) -> Option<Duration> {
        let time_left = self.time_left(payment, window).filter(|left| !left.is_zero());
        let duty_pause = backoff::duty_pause(payment.poll_count, payment.is_fresh());
        let look_pause = backoff::look_pause(payment.poll_count, payment.is_fresh());
        let pause = if payment.is_unanswered { duty_pause } else { look_pause };
        match self.task(payment, window) {
            // Nobody is to be asked; but an order is not kept for a payment that does not come.
            Task::Rest if payment.status.is_unpaid() && self.wants(payment) => time_left,
            Task::Rest => None,
            // On its way: that takes its time.
            Task::Refund if payment.refund_id.is_some() => Some(pause),
            Task::LookUp => Some(time_left.map_or(pause, |left| pause.min(left))),
            // What can still bring money cannot be called off, and is looked at like the rest.
            Task::CallOff if payment.status == Processing => Some(pause),
            Task::CallOff | Task::Refund | Task::Expire => Some(duty_pause),
        }
    }

    /// What is left of the `window` until the order expires with a payment; `None`: it does not.
    fn time_left(&self, payment: &Payment, window: Option<Duration>) -> Option<Duration> {
        payment.left_of(window).filter(|_| self.status.can_become(OrderStatus::Cancelled))
    }

    /// Where the payment is that brought the money.
    fn completed(&self) -> Option<usize> {
        self.payments.iter().position(|payment| payment.status == Completed)
    }

    fn index(&self, payment_id: Uuid) -> Option<usize> {
        self.payments.iter().position(|payment| payment.id == payment_id)
    }
}
