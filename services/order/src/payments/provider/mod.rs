//! The interface of payment providers. A new provider requires a folder here and a line in
//! [`PaymentArgs::providers`](super::config::PaymentArgs::providers).
//!
//! Every call may be repeated: intents and refunds have idempotency keys that are chosen before the call. So a lost response
//! leads to another call, but never to another charge.

pub(crate) mod offline;
pub(crate) mod stripe;

use uuid::Uuid;

#[tonic::async_trait]
pub(crate) trait Provider: Send + Sync {
    /// Returns the name of the provider in the database and in the API.
    fn name(&self) -> &'static str;

    /// Returns whether real money moves; `None` if there are no online payments.
    fn livemode(&self) -> Option<bool>;

    /// Returns the key for the provider's client library, or an empty string.
    fn publishable_key(&self) -> &str;

    /// Verifies and parses a webhook request. Returns `None` if the provider sends none.
    fn parse_webhook(&self, payload: &[u8], signature: &str) -> Option<Result<Event, InvalidEvent>>;

    /// Creates the intent of a payment; the same one again for the same order and attempt.
    async fn create_intent(&self, new_intent: &NewIntent) -> Result<Intent, ProviderError>;

    /// Returns the state of an intent. `new_intent` is what it was created from, for providers that store nothing.
    async fn retrieve_intent(
        &self,
        intent_id: &str,
        new_intent: &NewIntent,
    ) -> Result<IntentSnapshot, ProviderError>;

    /// Cancels an intent if that is still possible, and returns its state. An intent that has succeeded or is being
    /// processed stays so. `new_intent` as for [`retrieve_intent`](Self::retrieve_intent).
    async fn cancel_intent(
        &self,
        intent_id: &str,
        new_intent: &NewIntent,
    ) -> Result<IntentSnapshot, ProviderError>;

    /// Refunds the paid amount of an intent, less what is refunded already; the same refund again for the same key. If
    /// nothing is left, the refund has succeeded.
    async fn refund(&self, intent_id: &str, idempotency_key: &str) -> Result<Refund, ProviderError>;

    async fn retrieve_refund(&self, refund_id: &str) -> Result<Refund, ProviderError>;

    /// Refunds a part of the paid amount of an intent; the same refund again for the same key.
    ///
    /// # Errors
    /// [`ProviderError::Rejected`] if less than the part is left.
    async fn refund_part(&self, intent_id: &str, part: &NewRefund) -> Result<Refund, ProviderError>;

    /// Lists all refunds of an intent, also failed ones and those that were not made by this service.
    async fn list_refunds(&self, intent_id: &str) -> Result<Vec<ListedRefund>, ProviderError>;
}

/// The parameters of an intent.
#[derive(Clone, Debug)]
pub(crate) struct NewIntent {
    pub order_id: Uuid,
    pub payment_id: Uuid,
    /// The number of the attempt, from 1. With the order's id, it forms the idempotency key.
    pub attempt: i32,
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
}

/// A created intent.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    /// The provider's id of the intent.
    pub id: String,
    /// Allows its bearer to pay the intent; empty if there is no online payment. Never logged.
    pub client_secret: String,
}

/// The state of an intent at some time.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct IntentSnapshot {
    pub intent_id: String,
    /// From the intent's metadata; `None` for intents that other programs have created.
    pub order_id: Option<Uuid>,
    /// From the intent's metadata, as `order_id`.
    pub payment_id: Option<Uuid>,
    pub amount_minor: i64,
    /// ISO 4217, upper case.
    pub currency: String,
    pub state: IntentState,
    /// The amount that was refunded, as far as the source of the snapshot knows it.
    #[serde(default)]
    pub refunded_minor: i64,
    /// The id of a refund that has failed, if the snapshot reports that and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_refund: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IntentState {
    /// Not paid yet.
    Open,
    /// Paid, and being processed by the provider.
    Processing,
    /// Declined; the customer may try again.
    Declined,
    /// No money can arrive any more.
    Cancelled,
    Succeeded,
    /// Refunded in full.
    Refunded,
}

/// The parameters of a refund of a part.
#[derive(Clone, Debug)]
pub(crate) struct NewRefund {
    pub refund_id: Uuid,
    pub idempotency_key: String,
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
}

/// A refund as the provider lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedRefund {
    pub refund: Refund,
    pub amount_minor: i64,
    /// [`NewRefund::refund_id`], if this service has refunded a part.
    pub refund_id: Option<Uuid>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refund {
    /// The provider's id of the refund; empty if there is none to retrieve.
    pub id: String,
    pub state: RefundState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefundState {
    Pending,
    Succeeded,
    /// The money was returned to the merchant: another refund is required.
    Failed,
}

/// A webhook event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The provider's id of the event.
    pub id: String,
    /// The provider's name of the event type.
    pub kind: String,
    /// Whether the event belongs to the configured account and mode (test or live).
    pub own_account: bool,
    /// The intent that the event is about; `None` for events that are ignored.
    pub snapshot: Option<IntentSnapshot>,
}

/// The reason why a call to a provider failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProviderError {
    /// A retry may succeed, and the call may have succeeded: no response, a server error, or a concurrent call with the
    /// same key.
    #[error("payment provider is unavailable: {0}")]
    Unavailable(String),
    /// The provider repeats a server error for this idempotency key: another key is needed.
    #[error("payment provider failed for this idempotency key: {0}")]
    KeyUnusable(String),
    /// A retry would fail as well. Contains a message for the client.
    #[error("{0}")]
    Rejected(String),
    /// The provider does not know the object: it was deleted, or belongs to another account.
    #[error("payment provider does not know the object: {0}")]
    NotFound(String),
}

/// The reason why a webhook request is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidEvent {
    /// Not signed by the provider, or too old.
    #[error("event signature is invalid")]
    Signature,
    /// Signed, but not a valid event.
    #[error("event is malformed")]
    Malformed,
}
