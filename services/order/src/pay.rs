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

use bodega_runtime::database;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    App,
    books::Books,
    error::Error,
    payment::{Payment, PaymentStatus},
    provider::{Failure, Intent, NewIntent},
    reconcile,
    store::{self, books::Due},
};

/// How long a call goes on while others are at the same payment, or the provider keeps failing.
const PATIENCE: Duration = Duration::from_secs(6);
/// How soon to look what the others have found.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

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

/// Begins the payment of an order of `owner`, or gives back the one that is under way.
pub(crate) async fn pay_order(app: &App, id: Uuid, owner: Uuid) -> Result<Payable, Error> {
    let patience = Instant::now() + PATIENCE;
    loop {
        match next(app, id, owner).await? {
            Next::Ready(payable) => return Ok(payable),
            Next::Create(wanted) => create(app, wanted).await?,
            Next::Wait => sleep(LOOK_INTERVAL).await,
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
    let mut transaction = database::begin(&app.db).await?;
    let mut books = store::books::open(&mut transaction, id, Some(owner)).await?.ok_or(Error::NotFound)?;
    books.check_payable()?;
    let next = decide(app, &mut books);
    if let Next::Create(_) = next {
        store::books::close(&mut transaction, &books, app.payments.window()).await?;
        transaction.commit().await?;
    }
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

/// Asks the provider for the intent, and writes down what it says.
async fn create(app: &App, wanted: NewIntent) -> Result<(), Error> {
    let created = app.payments.chosen().create(&wanted).await;
    let mut transaction = database::begin(&app.db).await?;
    let books = store::books::open(&mut transaction, wanted.order_id, None).await?;
    let mut books = books.ok_or(Error::NotFound)?;
    let answer = match created {
        Ok(intent) => {
            fill_in(&mut books, wanted.payment_id, intent);
            Ok(())
        }
        Err(Failure::Unavailable(cause)) => {
            let_go(&mut books, wanted.payment_id);
            Err(Error::ProviderDown(cause))
        }
        Err(Failure::Refused(why)) => {
            books.give_up(wanted.payment_id);
            Err(Error::PaymentRefused(why))
        }
        // Nobody was told of an intent that it may have made: the next attempt has a key of its own.
        Err(Failure::Spent(_)) => {
            books.give_up(wanted.payment_id);
            Ok(())
        }
    };
    store::books::close(&mut transaction, &books, app.payments.window()).await?;
    transaction.commit().await?;
    reconcile::log(&books);
    answer
}

fn fill_in(books: &mut Books, payment_id: Uuid, intent: Intent) {
    let payment = books.payment_mut(payment_id);
    // One that was given up meanwhile stays so: nobody learns of its intent.
    let Some(payment) = payment.filter(|payment| !payment.closed) else { return };
    payment.being_created = false;
    payment.intent_id = Some(intent.id);
    payment.client_secret = Some(intent.client_secret);
}

fn let_go(books: &mut Books, payment_id: Uuid) {
    if let Some(payment) = books.payment_mut(payment_id) {
        payment.being_created = false;
    }
}
