//! The webhook endpoint: its URL, its signing secrets and how events are delivered to it.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use crate::signature;

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
    /// Delivers immediately, with seven retries within 7 s.
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
    /// Signing secrets, the newest first.
    pub(crate) secrets: Vec<String>,
    /// Whether to add a `v0` signature.
    pub(crate) signs_with_v0: bool,
    pub(crate) is_paused: bool,
    /// Events recorded while paused.
    pub(crate) held: Vec<Value>,
    /// All attempts, in the order of completion.
    pub(crate) deliveries: Vec<Delivery>,
    rng: StdRng,
}

impl Endpoint {
    pub(crate) fn new(secret: String, seed: u64) -> Self {
        Self {
            url: None,
            policy: DeliveryPolicy::default(),
            secrets: vec![secret],
            signs_with_v0: false,
            is_paused: false,
            held: Vec::new(),
            deliveries: Vec::new(),
            // Not the sequence of the faults: events must not change which requests fail.
            rng: StdRng::seed_from_u64(!seed),
        }
    }

    /// Returns the `Stripe-Signature` of a payload.
    pub(crate) fn sign(&self, payload: &[u8], timestamp: i64) -> String {
        let secrets: Vec<_> = self.secrets.iter().map(String::as_str).collect();
        let mut header = signature::signature_header(payload, timestamp, &secrets);
        if self.signs_with_v0 {
            signature::add_v0(&mut header, payload, timestamp);
        }
        header
    }

    /// Draws a number from 0 to 1.
    pub(crate) fn draw(&mut self) -> f64 {
        self.rng.random()
    }
}
