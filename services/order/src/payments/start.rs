//! Creates payment intents:
//!
//! 1. The payment is stored before its provider is called. An order has one open payment at a time, so that concurrent
//!    calls find the same one; one of them gets the lease to create the intent, and the others wait.
//! 2. The provider creates the intent. The idempotency key consists of order and attempt, so a repeated call gets the same
//!    intent.
//! 3. The intent is stored before the client gets it, so no money arrives for an unknown intent.
//!
//! A failed payment is cancelled before the next one starts: its intent might still succeed.

use bodega_runtime::timeouts::PAYMENT_POLL;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::{
    db::order_payments::PaymentKey,
    order_payments::OrderPayments,
    payment::{Payment, PaymentStatus},
    provider::{Intent, NewIntent, ProviderError},
    reconcile,
    update::update_locked,
};
use crate::{app::App, backoff::WAIT, detached::call_deadline, error::Error};

/// An intent that a client can pay.
#[derive(Debug)]
pub(crate) struct PayableIntent {
    pub provider: String,
    /// The provider's id of the intent.
    pub id: String,
    pub client_secret: String,
    pub publishable_key: String,
    pub status: PaymentStatus,
    pub amount_minor: i64,
    pub currency: String,
}

/// The next step towards a payable intent.
enum Next {
    Ready(PayableIntent),
    /// Create the intent: this call has the lease.
    Create(NewIntent),
    /// Wait for the call that has the lease.
    Wait,
    /// Cancel the previous payment.
    Cancel {
        payment_id: Uuid,
    },
}

/// Creates the payment intent of an order of `owner`, or returns the open one. Stops at the caller's deadline.
pub(crate) async fn create_payment_intent(
    app: &App,
    order_id: Uuid,
    owner: Uuid,
) -> Result<PayableIntent, Error> {
    let deadline = call_deadline();
    for checks in 0.. {
        let next = update_locked(app, order_id, Some(owner), |payments| {
            payments.check_payable()?;
            if payments.is_expired(app.providers.order_window(payments.total_minor)) {
                return Err(Error::PaymentWindowEnded);
            }
            Ok(decide(app, payments))
        });
        match next.await?.1 {
            Next::Ready(intent) => return Ok(intent),
            Next::Create(new_intent) => create(app, &new_intent).await?,
            Next::Wait => sleep(WAIT.pause(checks)).await,
            Next::Cancel { payment_id } => {
                reconcile::cancel_payment(app, PaymentKey { order_id, payment_id }).await?;
            }
        }
        if Instant::now() > deadline {
            break;
        }
    }
    Err(Error::PaymentPending)
}

fn decide(app: &App, payments: &mut OrderPayments) -> Next {
    let provider = app.providers.default();
    let order_id = payments.order_id;
    let payment = match payments.payments.last_mut() {
        Some(payment) if payment.status.is_open() && payment.provider == provider.name() => payment,
        Some(payment) if payment.may_be_paid() => return Next::Cancel { payment_id: payment.id },
        _ => payments.start_payment(provider.name()),
    };
    if let Some(intent) = payable_intent(payment, provider.publishable_key()) {
        return Next::Ready(intent);
    }
    if payment.intent_leased {
        return Next::Wait;
    }
    payment.intent_leased = true;
    Next::Create(payment.new_intent(order_id))
}

/// Returns the intent of a payment, or `None` until it is created.
fn payable_intent(payment: &Payment, publishable_key: &str) -> Option<PayableIntent> {
    Some(PayableIntent {
        provider: payment.provider.clone(),
        id: payment.intent_id.clone()?,
        client_secret: payment.client_secret.clone()?,
        publishable_key: publishable_key.to_owned(),
        status: payment.status,
        amount_minor: payment.amount_minor,
        currency: payment.currency.clone(),
    })
}

async fn create(app: &App, new_intent: &NewIntent) -> Result<(), Error> {
    let work = async {
        let result = app.providers.default().create_intent(new_intent).await;
        let (_, stored) = update_locked(app, new_intent.order_id, None, |payments| {
            Ok(store_result(payments, new_intent.payment_id, &result))
        })
        .await?;
        stored
    };
    timeout(PAYMENT_POLL, work).await.unwrap_or(Err(Error::PaymentPending))
}

/// Stores the provider's result, unless another call has stored one meanwhile.
fn store_result(
    payments: &mut OrderPayments,
    payment_id: Uuid,
    result: &Result<Intent, ProviderError>,
) -> Result<(), Error> {
    // A closed payment stays closed: no client gets its intent.
    let open =
        payments.payment_mut(payment_id).filter(|payment| !payment.closed && payment.client_secret.is_none());
    let Some(payment) = open else { return Ok(()) };
    payment.intent_leased = false;
    match result {
        Ok(intent) => {
            payment.intent_id = Some(intent.id.clone());
            payment.client_secret = Some(intent.client_secret.clone());
            Ok(())
        }
        Err(ProviderError::Unavailable(error)) => Err(Error::ProviderUnavailable(error.clone())),
        Err(ProviderError::Rejected(message) | ProviderError::NotFound(message)) => {
            payments.close_failed(payment_id);
            Err(Error::PaymentRejected(message.clone()))
        }
        // No client has got the intent that may exist. The next attempt has another key.
        Err(ProviderError::KeyUnusable(_)) => {
            payments.close_failed(payment_id);
            Ok(())
        }
    }
}
