//! Beginning a payment, as a story.
//!
//! 1. The payment is written down before its provider is asked: an order has one open payment at a time, so all who ask
//!    at once find the same. One of them gets a lease and asks, the others wait for what it finds.
//! 2. The provider is asked for an intent, under a key made of the order and the attempt: whoever asks again, after a
//!    reply that was lost, gets the same intent.
//! 3. The intent is written down, and only then given to the shopper: money can come of no intent that we do not know.
//!
//! A payment that failed is called off before another begins: it might succeed after all.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::{
    App, bookkeeping,
    books::Books,
    bounds,
    error::Error,
    payment::{Payment, PaymentStatus},
    provider::{Failure, Intent, NewIntent},
    reconcile,
    store::books::Due,
};

/// How soon those who wait for others first look what they have found, and how long they leave it at most.
const FIRST_LOOK: Duration = Duration::from_millis(25);
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// What a shopper needs in order to pay.
#[derive(Debug)]
pub(crate) struct Payable {
    pub provider: String,
    /// The provider's name for the intent.
    pub intent_id: String,
    pub client_secret: String,
    /// Of the provider's library in a browser.
    pub publishable_key: String,
    pub status: PaymentStatus,
    /// In minor units.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
}

/// What is to be done before a shopper can pay.
enum Next {
    /// Nothing.
    Ready(Payable),
    /// To ask for the intent; nobody else will for a while.
    Create(NewIntent),
    /// To wait for who does.
    Wait,
    /// To call off the payment before.
    CallOff(Uuid),
}

/// Begins the payment of an order of `owner`, or gives back the one that is under way. Begins nothing any more when the
/// caller has gone.
pub(crate) async fn create_payment_intent(app: &App, id: Uuid, owner: Uuid) -> Result<Payable, Error> {
    let patience = bounds::patience();
    let mut pause = FIRST_LOOK;
    loop {
        match next(app, id, owner).await? {
            Next::Ready(payable) => return Ok(payable),
            Next::Create(wanted) => create(app, &wanted).await?,
            Next::Wait => {
                sleep(pause).await;
                pause = LOOK_INTERVAL.min(pause * 2);
            }
            Next::CallOff(payment_id) => {
                reconcile::call_off(app, Due { order_id: id, payment_id }).await?;
            }
        }
        if Instant::now() > patience {
            return Err(Error::StillPaying);
        }
    }
}

/// What is next for an order of `owner`, written down.
async fn next(app: &App, id: Uuid, owner: Uuid) -> Result<Next, Error> {
    let decide = |books: &mut Books| {
        books.check_payable()?;
        Ok(decide(app, books))
    };
    let (_, next) = bookkeeping::keep(app, id, Some(owner), decide).await?;
    Ok(next)
}

fn decide(app: &App, books: &mut Books) -> Next {
    let chosen = app.payments.chosen();
    let order_id = books.id;
    let payment = match books.payments.last_mut() {
        Some(payment) if payment.status.is_open() && payment.provider == chosen.name() => payment,
        Some(payment) if payment.is_live() => return Next::CallOff(payment.id),
        _ => books.begin(chosen.name()),
    };
    if let Some(payable) = payable(payment, chosen.publishable_key()) {
        return Next::Ready(payable);
    }
    if payment.being_created {
        return Next::Wait;
    }
    payment.being_created = true;
    Next::Create(payment.wanted(order_id))
}

/// A payment whose intent is known.
fn payable(payment: &Payment, publishable_key: &str) -> Option<Payable> {
    Some(Payable {
        provider: payment.provider.clone(),
        intent_id: payment.intent_id.clone()?,
        client_secret: payment.client_secret.clone()?,
        publishable_key: publishable_key.to_owned(),
        status: payment.status,
        amount_minor: payment.amount_minor,
        currency: payment.currency.clone(),
    })
}

/// Asks the provider for the intent, and writes down what it says, in the time that is given for it.
async fn create(app: &App, wanted: &NewIntent) -> Result<(), Error> {
    let asked = async {
        let answer = app.payments.chosen().create(wanted).await;
        let keep = |books: &mut Books| Ok(write_down(books, wanted.payment_id, &answer));
        let (books, outcome) = bookkeeping::keep(app, wanted.order_id, None, keep).await?;
        reconcile::log(&books);
        outcome
    };
    timeout(bounds::LOOK, asked).await.unwrap_or(Err(Error::StillPaying))
}

/// What an answer about the intent of a payment means for the payment and for the caller. Others may have asked for the
/// same, and may have found it since: what they have stays.
fn write_down(books: &mut Books, payment_id: Uuid, answer: &Result<Intent, Failure>) -> Result<(), Error> {
    // One that was given up stays so: nobody learns of its intent.
    let open =
        books.payment_mut(payment_id).filter(|payment| !payment.closed && payment.client_secret.is_none());
    let Some(payment) = open else { return Ok(()) };
    payment.being_created = false;
    match answer {
        Ok(intent) => {
            payment.intent_id = Some(intent.id.clone());
            payment.client_secret = Some(intent.client_secret.clone());
            Ok(())
        }
        Err(Failure::Unavailable(cause)) => Err(Error::ProviderDown(cause.clone())),
        Err(Failure::Refused(why)) => {
            books.give_up(payment_id);
            Err(Error::PaymentRefused(why.clone()))
        }
        // Nobody was told of an intent that it may have made: the next attempt has a key of its own.
        Err(Failure::Spent(_)) => {
            books.give_up(payment_id);
            Ok(())
        }
    }
}
