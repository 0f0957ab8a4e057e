//! Stripe, over its HTTP API: <https://docs.stripe.com/api>.
//!
//! The intent of a payment is a `PaymentIntent`, which the customer confirms with Stripe's client library. `client` makes
//! the calls, `error` maps their errors, `objects` parses Stripe's objects; `signature` and `events` verify and parse
//! webhook requests.

mod amounts;
mod client;
mod config;
mod error;
mod events;
mod objects;
mod signature;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use anyhow::ensure;
use reqwest::Url;
use time::OffsetDateTime;

pub(crate) use self::config::{Keys, StripeArgs};
use self::{
    client::Client,
    error::CallError,
    objects::{PaymentIntent, RefundList},
};
use super::{
    Event, Intent, IntentSnapshot, IntentState, InvalidEvent, ListedRefund, NewIntent, NewRefund, Provider,
    ProviderError, Refund, RefundState,
};

const NAME: &str = "stripe";

/// Only the charge of an intent shows whether it was refunded.
const EXPAND_CHARGE: &str = "expand[]=latest_charge";

/// Pages of 100 refunds of an intent that are read.
const MAX_REFUND_PAGES: usize = 50;

/// An account at Stripe.
pub(crate) struct Stripe {
    client: Client,
    keys: Keys,
}

impl Stripe {
    /// Creates a provider that calls the API at `url`.
    ///
    /// # Errors
    /// If the secret key cannot be sent to `url`.
    pub(crate) fn new(url: Url, keys: Keys) -> anyhow::Result<Self> {
        ensure!(
            !keys.livemode || url.scheme() == "https",
            "BODEGA_STRIPE_URL must start with https:// if STRIPE_SECRET_KEY is a live key"
        );
        Ok(Self { client: Client::new(url, &keys.secret)?, keys })
    }

    /// Verifies and parses a webhook request with its `Stripe-Signature`.
    ///
    /// # Errors
    /// If it was not signed with the webhook secret within five minutes of `now`, or is malformed.
    fn parse_webhook_at(
        &self,
        payload: &[u8],
        signature: &str,
        now: OffsetDateTime,
    ) -> Result<Event, InvalidEvent> {
        if !self.keys.webhook.verify(payload, signature, now) {
            return Err(InvalidEvent::Signature);
        }
        events::parse(payload, self.keys.livemode)
    }

    async fn retrieve(&self, intent_id: &str) -> Result<IntentSnapshot, ProviderError> {
        let intent = self.client.get(&["payment_intents", intent_id], Some(EXPAND_CHARGE)).await?;
        snapshot(&intent)
    }
}

#[tonic::async_trait]
impl Provider for Stripe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn livemode(&self) -> Option<bool> {
        Some(self.keys.livemode)
    }

    fn publishable_key(&self) -> &str {
        &self.keys.publishable
    }

    fn parse_webhook(&self, payload: &[u8], signature: &str) -> Option<Result<Event, InvalidEvent>> {
        Some(self.parse_webhook_at(payload, signature, OffsetDateTime::now_utc()))
    }

    /// Sets no payment methods, so that Stripe offers all that are enabled in the account's dashboard.
    async fn create_intent(&self, new_intent: &NewIntent) -> Result<Intent, ProviderError> {
        let NewIntent { order_id, payment_id, attempt, amount_minor, currency } = new_intent;
        let idempotency_key = format!("bodega-{order_id}-{attempt}");
        let parameters = [
            ("amount", &*amounts::to_stripe(currency, *amount_minor)?.to_string()),
            ("currency", &currency.to_ascii_lowercase()),
            ("metadata[order_id]", &order_id.to_string()),
            ("metadata[payment_id]", &payment_id.to_string()),
            ("metadata[attempt]", &attempt.to_string()),
        ];
        let intent: PaymentIntent =
            self.client.post(&["payment_intents"], &parameters, Some(&idempotency_key)).await?;
        let client_secret = intent.client_secret;
        let client_secret =
            client_secret.ok_or_else(|| invalid_response("intent without a client secret"))?;
        Ok(Intent { id: intent.id, client_secret })
    }

    async fn retrieve_intent(&self, intent_id: &str, _: &NewIntent) -> Result<IntentSnapshot, ProviderError> {
        self.retrieve(intent_id).await
    }

    async fn cancel_intent(&self, intent_id: &str, _: &NewIntent) -> Result<IntentSnapshot, ProviderError> {
        match self.client.post(&["payment_intents", intent_id, "cancel"], &[], None).await {
            Ok(intent) => snapshot(&intent),
            // It has succeeded, is being processed, or was cancelled before; otherwise the error stands.
            Err(CallError::Api(error)) if error.is_bad_request() => {
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

    /// Sets no amount, so that Stripe refunds the remaining amount.
    async fn refund(&self, intent_id: &str, idempotency_key: &str) -> Result<Refund, ProviderError> {
        let parameters = [("payment_intent", intent_id)];
        match self.client.post(&["refunds"], &parameters, Some(idempotency_key)).await {
            Ok(refund) => Ok(to_refund(refund)),
            Err(CallError::Api(error)) if error.has_code("charge_already_refunded") => {
                Ok(Refund { id: String::new(), state: RefundState::Succeeded })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn retrieve_refund(&self, refund_id: &str) -> Result<Refund, ProviderError> {
        Ok(to_refund(self.client.get(&["refunds", refund_id], None).await?))
    }

    async fn refund_part(&self, intent_id: &str, part: &NewRefund) -> Result<Refund, ProviderError> {
        let NewRefund { refund_id, idempotency_key, amount_minor, currency } = part;
        let parameters = [
            ("payment_intent", intent_id),
            ("amount", &*amounts::to_stripe(currency, *amount_minor)?.to_string()),
            ("metadata[refund_id]", &refund_id.to_string()),
        ];
        Ok(to_refund(self.client.post(&["refunds"], &parameters, Some(idempotency_key)).await?))
    }

    async fn list_refunds(&self, intent_id: &str) -> Result<Vec<ListedRefund>, ProviderError> {
        let mut listed = Vec::new();
        let mut last = String::new();
        for _ in 0..MAX_REFUND_PAGES {
            let mut query = format!("payment_intent={intent_id}&limit=100");
            if !last.is_empty() {
                query = format!("{query}&starting_after={last}");
            }
            let page: RefundList = self.client.get(&["refunds"], Some(&query)).await?;
            last = page.data.last().map(|refund| refund.id.clone()).unwrap_or_default();
            for refund in page.data {
                let found = refund.listed().ok_or_else(|| invalid_response("amount without minor units"))?;
                listed.push(found);
            }
            if !page.has_more || last.is_empty() {
                return Ok(listed);
            }
        }
        Err(invalid_response("too many refunds"))
    }
}

fn snapshot(intent: &PaymentIntent) -> Result<IntentSnapshot, ProviderError> {
    intent.snapshot(intent.state()).ok_or_else(|| invalid_response("amount without minor units"))
}

fn to_refund(refund: objects::Refund) -> Refund {
    Refund { state: refund.state(), id: refund.id }
}

fn invalid_response(reason: &str) -> ProviderError {
    ProviderError::Unavailable(format!("invalid response: {reason}"))
}
