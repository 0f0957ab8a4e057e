//! What a test decides: faults, deliveries, and how open things end.

use serde_json::Value;

use crate::{
    Operation,
    double::StripeDouble,
    events::{self, Origin},
    faults::Fault,
    ledger::{Outcome, RefundStatus},
    webhooks::DeliveryPolicy,
};

/// Faults of the API.
impl StripeDouble {
    /// The next calls of a kind meet a fault. Faults that meet the same call all happen to it; one that finds the call
    /// answered already, by its idempotency key, is spent nevertheless.
    pub fn fail_next(&self, operation: Operation, fault: Fault, calls: u32) {
        self.shared.lock().faults.next(operation, fault, calls);
    }

    /// From now on, calls of a kind meet a fault with a probability of 0 to 1.
    pub fn fail_sometimes(&self, operation: Operation, fault: Fault, probability: f64) {
        self.shared.lock().faults.sometimes(operation, fault, probability);
    }

    /// No more faults.
    pub fn heal(&self) {
        self.shared.lock().faults.clear();
    }
}

/// How open things end.
impl StripeDouble {
    /// Ends what an intent waits for: that of a card that needs authentication, or of a slow one. Answers whether it was
    /// waiting.
    pub fn settle_intent(&self, id: &str, outcome: Outcome) -> bool {
        let mut state = self.shared.lock();
        let settled = state.ledger.settle_intent(id, outcome);
        self.shared.tell(&mut state, Origin::Itself);
        settled
    }

    /// The status that refunds have from now on when they are made. At first, they succeed.
    pub fn set_refund_status(&self, status: RefundStatus) {
        self.shared.lock().ledger.refund_status = status;
    }

    /// Ends a refund that is pending; or lets one fail that had succeeded. Answers whether it could.
    pub fn settle_refund(&self, id: &str, outcome: Outcome) -> bool {
        let mut state = self.shared.lock();
        let settled = state.ledger.settle_refund(id, outcome);
        self.shared.tell(&mut state, Origin::Itself);
        settled
    }
}

/// Deliveries.
impl StripeDouble {
    /// Delivers events to a URL from now on; those before are in the log only.
    pub fn deliver_to(&self, url: &str) {
        self.shared.lock().endpoint.url = Some(url.to_owned());
    }

    /// How events are delivered from now on.
    pub fn set_delivery_policy(&self, policy: DeliveryPolicy) {
        self.shared.lock().endpoint.policy = policy;
    }

    /// Holds events back from now on. Those on their way arrive.
    pub fn pause_deliveries(&self) {
        self.shared.lock().endpoint.is_paused = true;
    }

    /// Delivers what was held back, and whatever comes.
    pub fn flush_deliveries(&self) {
        let endpoint = &mut self.shared.lock().endpoint;
        endpoint.is_paused = false;
        for event in std::mem::take(&mut endpoint.held) {
            self.shared.send(endpoint, event);
        }
    }

    /// Waits until nothing is on its way to the webhook endpoint: all was taken, lost or given up.
    pub async fn delivered(&self) {
        let mut under_way = self.shared.under_way.subscribe();
        // The sender is ours, so it is there.
        let _ = under_way.wait_for(|count| *count == 0).await;
    }

    /// Signs with another secret from now on and, as Stripe does for a day, with those before.
    pub fn roll_webhook_secret(&self, secret: &str) {
        self.shared.lock().endpoint.secrets.insert(0, secret.to_owned());
    }

    /// Whether deliveries have a `v0` signature beside, which is not to be trusted.
    pub fn sign_with_v0(&self, on: bool) {
        self.shared.lock().endpoint.v0 = on;
    }

    /// The `Stripe-Signature` of a payload sent at a time, in seconds since 1970.
    #[must_use]
    pub fn sign(&self, payload: &[u8], timestamp: i64) -> String {
        self.shared.lock().endpoint.sign(payload, timestamp)
    }

    /// An event that has not happened, to be altered and posted.
    #[must_use]
    pub fn event(&self, kind: &str, object: &Value) -> Value {
        events::event(kind, object, Origin::Itself)
    }

    /// Posts an event to the webhook endpoint, once, signed as of now. Answers the status of the answer; `None` when
    /// there is none.
    pub async fn post_event(&self, event: &Value) -> Option<u16> {
        self.shared.attempt(event).await
    }

    /// Posts any payload with any signature to the webhook endpoint. Answers as [`Self::post_event`] does.
    pub async fn post_payload(&self, payload: &str, signature: &str) -> Option<u16> {
        self.shared.post(payload.to_owned(), signature).await
    }
}
