//! What a test controls: faults, results of open payments, and deliveries.

use serde_json::Value;

use crate::{
    call::Operation,
    double::StripeDouble,
    endpoint::DeliveryPolicy,
    events::{self, Origin},
    faults::Fault,
    ledger::{Outcome, RefundStatus},
};

/// Faults of the API.
impl StripeDouble {
    /// Injects a fault into the next `calls` requests of a kind. Faults for the same request add up. A request that gets a
    /// stored response by its idempotency key also counts.
    pub fn fail_next(&self, operation: Operation, fault: Fault, calls: u32) {
        self.shared.lock().faults.fail_next(operation, fault, calls);
    }

    /// Injects a fault into requests of a kind with a probability from 0 to 1.
    pub fn fail_sometimes(&self, operation: Operation, fault: Fault, probability: f64) {
        self.shared.lock().faults.fail_sometimes(operation, fault, probability);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }
}

/// Results of open payments and refunds.
impl StripeDouble {
    /// Completes the authentication or the processing of an intent. Returns whether the intent was waiting for one.
    pub fn settle_intent(&self, id: &str, outcome: Outcome) -> bool {
        let mut state = self.shared.lock();
        let settled = state.ledger.settle_intent(id, outcome);
        self.shared.record_events(&mut state, Origin::Asynchronous);
        settled
    }

    /// Makes an intent unknown, as when test data is deleted, or the keys of another account are used. Requests for it get a
    /// 404 with the code `resource_missing`.
    pub fn forget_intent(&self, id: &str) {
        self.shared.lock().ledger.intents.forget(id);
    }

    /// Sets the initial status of new refunds; by default they succeed.
    pub fn set_refund_status(&self, status: RefundStatus) {
        self.shared.lock().ledger.refund_status = status;
    }

    /// Completes a pending refund, or makes a successful one fail. Returns `false` for other transitions.
    pub fn settle_refund(&self, id: &str, outcome: Outcome) -> bool {
        let mut state = self.shared.lock();
        let settled = state.ledger.settle_refund(id, outcome);
        self.shared.record_events(&mut state, Origin::Asynchronous);
        settled
    }
}

/// Webhook deliveries.
impl StripeDouble {
    /// Delivers future events to a URL; earlier ones are not delivered.
    pub fn deliver_to(&self, url: &str) {
        self.shared.lock().endpoint.url = Some(url.to_owned());
    }

    /// Sets how future events are delivered.
    pub fn set_delivery_policy(&self, policy: DeliveryPolicy) {
        self.shared.lock().endpoint.policy = policy;
    }

    /// Holds back future events. Deliveries in progress continue.
    pub fn pause_deliveries(&self) {
        self.shared.lock().endpoint.is_paused = true;
    }

    /// Delivers the events that were held back, and future ones.
    pub fn flush_deliveries(&self) {
        let endpoint = &mut self.shared.lock().endpoint;
        endpoint.is_paused = false;
        for event in std::mem::take(&mut endpoint.held) {
            self.shared.send(endpoint, event);
        }
    }

    /// Waits until no delivery is in progress: each event was accepted, dropped or abandoned.
    pub async fn delivered(&self) {
        let mut pending = self.shared.pending_deliveries.subscribe();
        // Cannot fail: this handle owns the sender.
        let _ = pending.wait_for(|count| *count == 0).await;
    }

    /// Adds a signing secret; like Stripe for a day after rolling a secret, signs with the previous ones too.
    pub fn roll_webhook_secret(&self, secret: &str) {
        self.shared.lock().endpoint.secrets.insert(0, secret.to_owned());
    }

    /// Sets whether deliveries also have a `v0` signature, which clients must ignore.
    pub fn sign_with_v0(&self, on: bool) {
        self.shared.lock().endpoint.signs_with_v0 = on;
    }

    /// Returns the `Stripe-Signature` of a payload, with a timestamp in Unix seconds.
    #[must_use]
    pub fn sign(&self, payload: &[u8], timestamp: i64) -> String {
        self.shared.lock().endpoint.sign(payload, timestamp)
    }

    /// Creates an event of a type about an object, without recording it. To be changed and posted by a test.
    #[must_use]
    pub fn event(&self, kind: &str, object: &Value) -> Value {
        events::event(kind, object, Origin::Asynchronous)
    }

    /// Posts an event to the webhook endpoint once, signed now. Returns the status of the response, or `None` without one.
    pub async fn post_event(&self, event: &Value) -> Option<u16> {
        self.shared.deliver_once(event).await
    }

    /// Posts any payload with any signature to the webhook endpoint. Returns the same as [`Self::post_event`].
    pub async fn post_payload(&self, payload: &str, signature: &str) -> Option<u16> {
        self.shared.post(payload.to_owned(), signature).await
    }
}
