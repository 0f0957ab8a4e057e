//! Who moves the money: one interface, and those who can do it.
//!
//! Every call may be repeated. What it creates is told apart by a key that we choose before we call, so that a reply
//! that was lost costs another call, and never another charge.

mod offline;
mod stripe;

use uuid::Uuid;

pub(crate) use self::{
    offline::Offline,
    stripe::{STRIPE, Stripe, StripeKeys},
};

/// A way to be paid.
#[tonic::async_trait]
pub(crate) trait Provider: Send + Sync {
    /// Its name, in the database and for clients.
    fn name(&self) -> &'static str;

    /// The key that its library is used with in a browser; empty where there is none.
    fn publishable_key(&self) -> &str;

    /// Makes the intent that a payment is to come by; the same one again for the same order and attempt.
    async fn create(&self, wanted: &NewIntent) -> Result<Intent, Failure>;

    /// How far an intent has come. `wanted` is what it was made from, for a provider that keeps no books of its own.
    async fn look_up(&self, intent_id: &str, wanted: &NewIntent) -> Result<IntentSnapshot, Failure>;

    /// Calls an intent off, if that can still be done; how far it has come then. An intent that has succeeded, or is
    /// being processed, stays so. `wanted` as for [`look_up`](Self::look_up).
    async fn cancel(&self, intent_id: &str, wanted: &NewIntent) -> Result<IntentSnapshot, Failure>;

    /// Gives back all that an intent brought and that was not given back yet; the same refund again for the same key.
    /// What was given back before by others counts as done.
    async fn refund(&self, intent_id: &str, key: &str) -> Result<Refund, Failure>;

    /// How far a refund has come.
    async fn look_up_refund(&self, refund_id: &str) -> Result<Refund, Failure>;
}

/// What an intent is made from.
#[derive(Clone, Debug)]
pub(crate) struct NewIntent {
    pub order_id: Uuid,
    pub payment_id: Uuid,
    /// From 1. With the order, what tells one call from another.
    pub attempt: i32,
    /// In minor units.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
}

/// An intent that was made.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    /// The provider's name for it.
    pub id: String,
    /// Lets its bearer pay it; empty where there is nothing to do online. Never logged.
    pub client_secret: String,
}

/// What was seen of an intent, by asking or in an event.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct IntentSnapshot {
    pub intent_id: String,
    /// Our order, as the intent remembers it; `None` for intents that are not ours.
    pub order_id: Option<Uuid>,
    /// Our payment, as the intent remembers it.
    pub payment_id: Option<Uuid>,
    /// In minor units.
    pub amount_minor: i64,
    /// ISO 4217, upper case.
    pub currency: String,
    pub state: IntentState,
}

/// How far an intent was seen to have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IntentState {
    /// The shopper is to pay.
    Open,
    /// The shopper has paid; the money is on its way.
    Processing,
    /// Declined; the shopper may try again.
    Declined,
    /// Called off; no money can come of it.
    Cancelled,
    /// The money is there.
    Succeeded,
    /// All of the money went back.
    Refunded,
}

/// How far a refund has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refund {
    /// The provider's name for it; empty where there is none to ask for.
    pub id: String,
    pub state: RefundState,
}

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefundState {
    /// On its way.
    Pending,
    /// The money went back.
    Succeeded,
    /// It came back to us: another one is needed.
    Failed,
}

/// An event that a provider has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The provider's name for it: what it is told apart by.
    pub id: String,
    /// The provider's name for what happened.
    pub kind: String,
    /// Whether it is of our account and mode (test or live).
    pub own_account: bool,
    /// What it lets us see; `None` for events of no interest.
    pub snapshot: Option<IntentSnapshot>,
}

/// Why a provider did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// It may have done it, or not, and may do it another time: no answer, one of trouble, or the same call is under
    /// way elsewhere.
    #[error("the payment provider cannot be reached: {0}")]
    Unavailable(String),
    /// It keeps answering this key with an error of its own making: another key is needed.
    #[error("the payment provider failed for good at this key: {0}")]
    Spent(String),
    /// It will not, now or later. In words for the client.
    #[error("{0}")]
    Refused(String),
}

/// Why an event is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadEvent {
    /// Not signed by the provider, or too long ago.
    #[error("the signature is not the provider's")]
    Signature,
    /// Signed, but nothing we can read.
    #[error("the event cannot be read")]
    Unreadable,
}
