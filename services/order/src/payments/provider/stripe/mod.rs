//! Stripe, over its HTTP API: <https://docs.stripe.com/api>.
//!
//! One payment is one `PaymentIntent`, which the shopper confirms with Stripe's own library; we make it, look at it, call
//! it off, and refund it. `client` makes the calls, `failure` says what their errors mean, `objects` reads what comes
//! back; `signature` and `events` read what Stripe sends by itself.

mod amounts;
mod client;
mod events;
#[path = "error.rs"]
mod failure;
#[path = "config.rs"]
mod keys;
mod objects;
mod signature;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use anyhow::ensure;
use reqwest::Url;
use time::OffsetDateTime;

pub(crate) use self::keys::Keys as StripeKeys;
use self::{client::Client, failure::CallError, objects::PaymentIntent};
use super::{
    BadEvent, Event, Failure, Intent, IntentSnapshot, IntentState, NewIntent, Provider, Refund, RefundState,
};

/// Its name, in the database and for clients.
pub(crate) const STRIPE: &str = "stripe";

/// A charge tells whether its money went back; an intent does not.
const EXPAND_CHARGE: &str = "expand[]=latest_charge";

/// An account of Stripe.
pub(crate) struct Stripe {
    client: Client,
    keys: StripeKeys,
}

impl Stripe {
    /// The account of these keys, at `url`.
    ///
    /// # Errors
    /// When the secret key cannot be sent there.
    pub(crate) fn new(url: Url, keys: StripeKeys) -> anyhow::Result<Self> {
        ensure!(
            !keys.livemode || url.scheme() == "https",
            "BODEGA_STRIPE_URL is not https://...: STRIPE_SECRET_KEY is live, and must not be seen on the way"
        );
        Ok(Self { client: Client::new(url, &keys.secret)?, keys })
    }

    /// Whether real money moves.
    pub(crate) fn livemode(&self) -> bool {
        self.keys.livemode
    }

    /// Reads an event as it came, with its `Stripe-Signature`.
    ///
    /// # Errors
    /// When it is not signed with our secret within five minutes of `now`, or cannot be read.
    pub(crate) fn event(
        &self,
        payload: &[u8],
        signature: &str,
        now: OffsetDateTime,
    ) -> Result<Event, BadEvent> {
        if !self.keys.webhook.verify(payload, signature, now) {
            return Err(BadEvent::Signature);
        }
        events::read(payload, self.keys.livemode)
    }

    async fn retrieve(&self, intent_id: &str) -> Result<IntentSnapshot, Failure> {
        let intent = self.client.get(&["payment_intents", intent_id], Some(EXPAND_CHARGE)).await?;
        snapshot(&intent)
    }
}

#[tonic::async_trait]
impl Provider for Stripe {
    fn name(&self) -> &'static str {
        STRIPE
    }

    fn publishable_key(&self) -> &str {
        &self.keys.publishable
    }

    /// Any way to pay that is enabled in the account's dashboard will do: so it is where nothing is said of them.
    async fn create(&self, wanted: &NewIntent) -> Result<Intent, Failure> {
        let NewIntent { order_id, payment_id, attempt, amount_minor, currency } = wanted;
        let key = format!("bodega-{order_id}-{attempt}");
        let parameters = [
            ("amount", &*amounts::to_stripe(currency, *amount_minor)?.to_string()),
            ("currency", &currency.to_ascii_lowercase()),
            ("metadata[order_id]", &order_id.to_string()),
            ("metadata[payment_id]", &payment_id.to_string()),
            ("metadata[attempt]", &attempt.to_string()),
        ];
        let intent: PaymentIntent = self.client.post(&["payment_intents"], &parameters, Some(&key)).await?;
        let client_secret = intent.client_secret;
        let client_secret = client_secret.ok_or_else(|| unusable("an intent without a client secret"))?;
        Ok(Intent { id: intent.id, client_secret })
    }

    async fn look_up(&self, intent_id: &str, _: &NewIntent) -> Result<IntentSnapshot, Failure> {
        self.retrieve(intent_id).await
    }

    async fn cancel(&self, intent_id: &str, _: &NewIntent) -> Result<IntentSnapshot, Failure> {
        match self.client.post(&["payment_intents", intent_id, "cancel"], &[], None).await {
            Ok(intent) => snapshot(&intent),
            // It has succeeded, is being processed, or was cancelled before; if not, it is another mistake.
            Err(CallError::Stripe(error)) if error.is_bad_request() => {
                let snapshot = self.retrieve(intent_id).await?;
                match snapshot.state {
                    IntentState::Open | IntentState::Declined => Err(error.into()),
                    IntentState::Processing
                    | IntentState::Cancelled
                    | IntentState::Succeeded
                    | IntentState::Refunded => Ok(snapshot),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// No amount is named: that is what is left.
    async fn refund(&self, intent_id: &str, key: &str) -> Result<Refund, Failure> {
        match self.client.post(&["refunds"], &[("payment_intent", intent_id)], Some(key)).await {
            Ok(refund) => Ok(refund_of(refund)),
            Err(CallError::Stripe(error)) if error.is("charge_already_refunded") => {
                Ok(Refund { id: String::new(), state: RefundState::Succeeded })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn look_up_refund(&self, refund_id: &str) -> Result<Refund, Failure> {
        Ok(refund_of(self.client.get(&["refunds", refund_id], None).await?))
    }
}

fn snapshot(intent: &PaymentIntent) -> Result<IntentSnapshot, Failure> {
    intent.snapshot(intent.state()).ok_or_else(|| unusable("an amount that does not exist"))
}

fn refund_of(refund: objects::Refund) -> Refund {
    Refund { state: refund.state(), id: refund.id }
}

/// A success that is none.
fn unusable(what: &str) -> Failure {
    Failure::Unavailable(format!("it answered with {what}"))
}
