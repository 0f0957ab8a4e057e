//! Events: one for each change. See <https://docs.stripe.com/api/events/object>.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    id,
    state::{Shared, State},
};

/// The API version of events; independent of the version of requests.
const API_VERSION: &str = "2026-10-28.endive";

/// What caused an event.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// A request to the API.
    Request { request_id: &'a str, key: Option<&'a str> },
    /// A change that no request caused.
    Asynchronous,
}

/// Returns an event of a type, such as `payment_intent.succeeded`, about an object.
pub(crate) fn event(kind: &str, object: &Value, origin: Origin<'_>) -> Value {
    let request = match origin {
        Origin::Request { request_id, key } => json!({"id": request_id, "idempotency_key": key}),
        Origin::Asynchronous => json!({"id": null, "idempotency_key": null}),
    };
    json!({
        "id": id::new("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": id::now(),
        "data": {"object": object},
        "livemode": false,
        "pending_webhooks": 1,
        "request": request,
        "type": kind,
    })
}

impl Shared {
    /// Records an event for each change and sends it to the webhook endpoint.
    pub(crate) fn record_events(self: &Arc<Self>, state: &mut State, origin: Origin<'_>) {
        for change in state.ledger.take_changes() {
            let mut event = event(change.kind, &change.object, origin);
            if let Some(previous) = change.previous {
                event["data"]["previous_attributes"] = previous;
            }
            state.events.push(event.clone());
            self.send(&mut state.endpoint, event);
        }
    }
}
