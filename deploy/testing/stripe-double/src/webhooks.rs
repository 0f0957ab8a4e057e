//! Delivers events to the webhook endpoint. See <https://docs.stripe.com/webhooks>.

use std::sync::Arc;

use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    endpoint::{Delivery, DeliveryPolicy, Endpoint},
    id,
    state::Shared,
};

impl Shared {
    /// Delivers an event according to the policy.
    pub(crate) fn send(self: &Arc<Self>, endpoint: &mut Endpoint, event: Value) {
        if endpoint.url.is_none() {
            return;
        }
        if endpoint.is_paused {
            endpoint.held.push(event);
            return;
        }
        if endpoint.draw() < endpoint.policy.loss {
            return;
        }
        for _ in 0..=endpoint.policy.duplicates {
            let delay = endpoint.policy.window.mul_f64(endpoint.draw());
            self.pending_deliveries.send_modify(|count| *count += 1);
            let (shared, event) = (Arc::clone(self), event.clone());
            self.spawn(async move {
                sleep(delay).await;
                shared.deliver(&event).await;
                shared.pending_deliveries.send_modify(|count| *count -= 1);
            });
        }
    }

    /// Delivers an event, with retries.
    async fn deliver(&self, event: &Value) {
        let DeliveryPolicy { attempts, mut backoff, .. } = self.lock().endpoint.policy.clone();
        for attempt in 1..=attempts {
            if self.deliver_once(event).await.is_some_and(|status| (200..300).contains(&status)) {
                return;
            }
            if attempt < attempts {
                sleep(backoff).await;
                backoff *= 2;
            }
        }
    }

    /// Posts an event once, signed now; returns the status of the response, if any.
    pub(crate) async fn deliver_once(&self, event: &Value) -> Option<u16> {
        let payload = format!("{event:#}");
        // The semaphore is never closed.
        let _permit = self.delivery_permits.acquire().await.ok()?;
        let signature = self.lock().endpoint.sign(payload.as_bytes(), id::now());
        let status = self.post(payload, &signature).await;
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let delivery = Delivery { event: text("id"), kind: text("type"), status };
        self.lock().endpoint.deliveries.push(delivery);
        status
    }

    /// Posts a payload to the endpoint's current URL; returns the status of the response, if any.
    pub(crate) async fn post(&self, payload: String, signature: &str) -> Option<u16> {
        let url = self.lock().endpoint.url.clone()?;
        let request = self.http.post(url).body(payload);
        let request = request
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header(USER_AGENT, "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
            .header("stripe-signature", signature);
        Some(request.send().await.ok()?.status().as_u16())
    }
}
