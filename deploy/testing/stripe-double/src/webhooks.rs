//! Delivers events to the webhook endpoint. See <https://docs.stripe.com/webhooks>.

use std::{sync::Arc, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use serde_json::Value;
use tokio::time::sleep;

use crate::{double::Shared, id, signature};

/// How events are delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryPolicy {
    /// The probability from 0 to 1 that an event is dropped.
    pub loss: f64,
    /// The number of additional deliveries of each event.
    pub duplicates: u32,
    /// Each delivery is delayed by a random time up to this, which reorders events.
    pub window: Duration,
    /// The maximum number of attempts until a 2xx response.
    pub attempts: u32,
    /// The delay after the first attempt; doubles each time.
    pub backoff: Duration,
}

impl Default for DeliveryPolicy {
    /// Immediately, with seven retries within 7 s.
    fn default() -> Self {
        let backoff = Duration::from_millis(50);
        Self { loss: 0.0, duplicates: 0, window: Duration::ZERO, attempts: 8, backoff }
    }
}

/// An attempt to deliver an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The id of the event.
    pub event: String,
    /// The type of the event.
    pub kind: String,
    /// The status of the response, if any.
    pub status: Option<u16>,
}

pub(crate) struct Endpoint {
    pub(crate) url: Option<String>,
    pub(crate) policy: DeliveryPolicy,
    pub(crate) secrets: Vec<String>,
    /// Whether to add a `v0` signature.
    pub(crate) v0: bool,
    pub(crate) is_paused: bool,
    /// Events recorded while paused.
    pub(crate) held: Vec<Value>,
    pub(crate) log: Vec<Delivery>,
    rng: StdRng,
}

impl Endpoint {
    pub(crate) fn new(secret: String, seed: u64) -> Self {
        Self {
            url: None,
            policy: DeliveryPolicy::default(),
            secrets: vec![secret],
            v0: false,
            is_paused: false,
            held: Vec::new(),
            log: Vec::new(),
            // Another sequence than that of the faults: events must not change which requests fail.
            rng: StdRng::seed_from_u64(!seed),
        }
    }

    /// Returns the `Stripe-Signature` of a payload.
    pub(crate) fn sign(&self, payload: &[u8], timestamp: i64) -> String {
        let secrets: Vec<_> = self.secrets.iter().map(String::as_str).collect();
        let mut header = signature::signature_header(payload, timestamp, &secrets);
        if self.v0 {
            signature::add_v0(&mut header, payload, timestamp);
        }
        header
    }

    fn probability(&mut self) -> f64 {
        self.rng.random()
    }
}

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
        if endpoint.probability() < endpoint.policy.loss {
            return;
        }
        for _ in 0..=endpoint.policy.duplicates {
            let delay = endpoint.policy.window.mul_f64(endpoint.probability());
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
            if self.attempt(event).await.is_some_and(|status| (200..300).contains(&status)) {
                return;
            }
            if attempt < attempts {
                sleep(backoff).await;
                backoff *= 2;
            }
        }
    }

    /// Posts an event once, signed now; returns the status of the response, if any.
    pub(crate) async fn attempt(&self, event: &Value) -> Option<u16> {
        let payload = format!("{event:#}");
        // The semaphore is never closed.
        let _permit = self.deliveries.acquire().await.ok()?;
        let signature = self.lock().endpoint.sign(payload.as_bytes(), id::now());
        let status = self.post(payload, &signature).await;
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let delivery = Delivery { event: text("id"), kind: text("type"), status };
        self.lock().endpoint.log.push(delivery);
        status
    }

    /// Posts to the endpoint's current URL.
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
