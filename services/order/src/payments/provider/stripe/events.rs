//! Parses webhook events: <https://docs.stripe.com/api/events/object>.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::objects::{self, Charge, PaymentIntent, Refund};
use crate::payments::provider::{Event, IntentSnapshot, IntentState, InvalidEvent};

#[derive(Deserialize)]
struct Envelope<'a> {
    id: String,
    r#type: String,
    livemode: bool,
    /// Set for events of connected accounts.
    account: Option<String>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    /// The object as it was when the event occurred.
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Parses an event whose signature is valid. `livemode` is that of the configured keys.
///
/// # Errors
/// [`InvalidEvent::Malformed`].
pub(super) fn parse(payload: &[u8], livemode: bool) -> Result<Event, InvalidEvent> {
    let envelope: Envelope<'_> = serde_json::from_slice(payload).map_err(|_| InvalidEvent::Malformed)?;
    let object = envelope.data.map(|data| data.object);
    let event = Event {
        snapshot: snapshot(&envelope.r#type, object)?,
        own_account: envelope.account.is_none() && envelope.livemode == livemode,
        id: envelope.id,
        kind: envelope.r#type,
    };
    if has_nul(&event) { Err(InvalidEvent::Malformed) } else { Ok(event) }
}

/// Returns whether a text of the event contains a NUL character, which Postgres cannot store.
fn has_nul(event: &Event) -> bool {
    let snapshot = event.snapshot.as_ref();
    let texts = snapshot.map(|snapshot| {
        [Some(&snapshot.intent_id), Some(&snapshot.currency), snapshot.failed_refund.as_ref()]
    });
    let texts = texts.into_iter().flatten().flatten();
    [&event.id, &event.kind].into_iter().chain(texts).any(|text| text.contains('\0'))
}

/// Returns the payment intent that an event is about; `None` for events that are ignored.
fn snapshot(kind: &str, object: Option<&RawValue>) -> Result<Option<IntentSnapshot>, InvalidEvent> {
    let malformed = |_| InvalidEvent::Malformed;
    let state = match kind {
        "payment_intent.created" | "payment_intent.requires_action" => IntentState::Open,
        "payment_intent.processing" => IntentState::Processing,
        "payment_intent.payment_failed" => IntentState::Declined,
        "payment_intent.canceled" => IntentState::Cancelled,
        "payment_intent.succeeded" => IntentState::Succeeded,
        "charge.refunded" => IntentState::Refunded,
        // Refunds that succeed are reported by their charge.
        "refund.failed" | "refund.updated" | "charge.refund.updated" => {
            let object = object.ok_or(InvalidEvent::Malformed)?.get().as_bytes();
            let refund: Refund = objects::parse(object).map_err(malformed)?;
            return Ok(refund.failed_snapshot());
        }
        _ => return Ok(None),
    };
    let object = object.ok_or(InvalidEvent::Malformed)?.get().as_bytes();
    let snapshot = if state == IntentState::Refunded {
        let charge: Charge = objects::parse(object).map_err(malformed)?;
        if !charge.is_of_intent() {
            return Ok(None);
        }
        charge.snapshot()
    } else {
        let intent: PaymentIntent = objects::parse(object).map_err(malformed)?;
        intent.snapshot(state)
    };
    snapshot.map(Some).ok_or(InvalidEvent::Malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    fn event(kind: &str, object: Value) -> Value {
        json!({
            "id": "evt_1", "object": "event", "api_version": "2026-10-28.endive", "created": 1_790_000_000,
            "data": {"object": object, "previous_attributes": {}}, "livemode": false, "pending_webhooks": 1,
            "request": {"id": null, "idempotency_key": null}, "type": kind,
        })
    }

    fn parse_value(event: &Value) -> Result<Event, InvalidEvent> {
        parse(event.to_string().as_bytes(), false)
    }

    fn intent(status: &str, metadata: Value) -> Value {
        json!({
            "id": "pi_1", "object": "payment_intent", "amount": 1999, "amount_received": 0, "currency": "usd",
            "client_secret": "pi_1_secret_2", "status": status, "metadata": metadata, "latest_charge": null,
        })
    }

    fn charge(over: Value) -> Value {
        let mut charge = json!({
            "id": "ch_1", "object": "charge", "amount": 500, "amount_refunded": 500, "currency": "isk",
            "payment_intent": "pi_1", "refunded": true, "metadata": {},
        });
        charge.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        charge
    }

    #[test]
    fn parses_every_intent_event() {
        let (order_id, payment_id) = (Uuid::now_v7(), Uuid::now_v7());
        let metadata = json!({"order_id": order_id, "payment_id": payment_id, "attempt": "1"});
        for (kind, status, state) in [
            ("payment_intent.created", "requires_payment_method", IntentState::Open),
            ("payment_intent.requires_action", "requires_action", IntentState::Open),
            ("payment_intent.processing", "processing", IntentState::Processing),
            ("payment_intent.payment_failed", "requires_payment_method", IntentState::Declined),
            ("payment_intent.canceled", "canceled", IntentState::Cancelled),
        ] {
            let event = parse_value(&event(kind, intent(status, metadata.clone()))).unwrap();
            let snapshot = IntentSnapshot {
                intent_id: "pi_1".to_owned(),
                order_id: Some(order_id),
                payment_id: Some(payment_id),
                amount_minor: 1999,
                currency: "USD".to_owned(),
                state,
                refunded_minor: 0,
                failed_refund: None,
            };
            let expected = Event {
                id: "evt_1".to_owned(),
                kind: kind.to_owned(),
                own_account: true,
                snapshot: Some(snapshot),
            };
            assert_eq!(event, expected);
        }
    }

    #[test]
    fn texts_with_nul_characters_are_malformed() {
        for pointer in ["/id", "/data/object/id", "/data/object/currency"] {
            let mut event = event("payment_intent.succeeded", intent("succeeded", json!({})));
            assert!(parse_value(&event).is_ok());
            *event.pointer_mut(pointer).unwrap() = json!("\0pi_1");
            assert_eq!(parse_value(&event), Err(InvalidEvent::Malformed), "{pointer}");
        }
    }

    #[test]
    fn a_success_reports_the_received_amount() {
        for received in [1999, 1000] {
            let mut intent = intent("succeeded", json!({}));
            intent["amount_received"] = json!(received);
            let event = parse_value(&event("payment_intent.succeeded", intent)).unwrap();
            let snapshot = event.snapshot.unwrap();
            assert_eq!((snapshot.state, snapshot.amount_minor), (IntentState::Succeeded, received));
        }
    }

    #[test]
    fn a_fully_refunded_charge_refunds_its_intent() {
        let snapshot = |object| parse_value(&event("charge.refunded", object)).map(|event| event.snapshot);
        let refunded = snapshot(charge(json!({}))).unwrap().unwrap();
        assert_eq!((refunded.intent_id.as_str(), refunded.state), ("pi_1", IntentState::Refunded));
        assert_eq!((refunded.amount_minor, refunded.currency.as_str()), (5, "ISK"));
        assert_eq!((refunded.order_id, refunded.payment_id), (None, None));

        let expanded = snapshot(charge(json!({"payment_intent": {"id": "pi_1", "amount": 500}})));
        assert_eq!(expanded, Ok(Some(refunded)));
        assert_eq!(snapshot(charge(json!({"payment_intent": null}))), Ok(None));
    }

    #[test]
    fn a_partly_refunded_charge_reports_the_refunded_amount() {
        let partly = charge(json!({"refunded": false, "amount_refunded": 100}));
        let snapshot = parse_value(&event("charge.refunded", partly)).unwrap().snapshot.unwrap();
        assert_eq!((snapshot.state, snapshot.amount_minor), (IntentState::Succeeded, 5));
        assert_eq!(snapshot.refunded_minor, 1, "ISK has no minor units at Stripe: 100 are one króna");
    }

    #[test]
    fn only_failed_refunds_are_reported_by_events_of_refunds() {
        let refund = |status: &str| {
            json!({"id": "re_1", "object": "refund", "amount": 500, "currency": "usd", "payment_intent": "pi_1",
                   "charge": "ch_1", "status": status, "metadata": {}})
        };
        for kind in ["refund.failed", "refund.updated", "charge.refund.updated"] {
            for status in ["failed", "canceled"] {
                let snapshot = parse_value(&event(kind, refund(status))).unwrap().snapshot.unwrap();
                let found = (snapshot.intent_id.as_str(), snapshot.failed_refund.as_deref());
                assert_eq!(found, ("pi_1", Some("re_1")), "{kind} {status}");
            }
            for status in ["pending", "succeeded", "requires_action"] {
                assert_eq!(
                    parse_value(&event(kind, refund(status))).unwrap().snapshot,
                    None,
                    "{kind} {status}"
                );
            }
            assert_eq!(parse_value(&event(kind, json!({}))), Err(InvalidEvent::Malformed));
        }
    }

    #[test]
    fn other_events_are_ignored() {
        let thin = json!({
            "id": "evt_2", "object": "v2.core.event", "type": "v1.billing.meter.no_meter_found", "livemode": false,
        });
        assert_eq!(parse_value(&thin).unwrap().snapshot, None);
        for object in [json!({"id": "cus_1"}), json!(null), json!([1])] {
            assert_eq!(parse_value(&event("customer.created", object)).unwrap().snapshot, None);
        }
    }

    #[test]
    fn detects_events_of_another_account_or_mode() {
        let created = event("payment_intent.created", intent("requires_payment_method", json!({})));
        let with = |field: &str, value: Value| {
            let mut event = created.clone();
            event[field] = value;
            event.to_string()
        };
        for (payload, livemode, own_account) in [
            (with("livemode", json!(false)), false, true),
            (with("livemode", json!(true)), true, true),
            (with("livemode", json!(true)), false, false),
            (with("livemode", json!(false)), true, false),
            (with("account", json!(null)), false, true),
            (with("account", json!("acct_1")), false, false),
        ] {
            assert_eq!(parse(payload.as_bytes(), livemode).unwrap().own_account, own_account, "{payload}");
        }
    }

    #[test]
    fn rejects_incomplete_events() {
        let created = event("payment_intent.created", intent("requires_payment_method", json!({})));
        let without = |pointer: &str, field: &str| {
            let mut event = created.clone();
            event.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(field).unwrap();
            event.to_string()
        };
        let mut invalid: Vec<_> = ["id", "type", "livemode", "data"].map(|field| without("", field)).into();
        invalid.push(without("/data", "object"));
        invalid.extend(["id", "amount", "currency", "status"].map(|field| without("/data/object", field)));
        invalid.extend(["", "null", "[]", "{}", r#""evt_1""#].map(str::to_owned));
        invalid.push(event("charge.refunded", json!({"id": "ch_1"})).to_string());
        // Not a whole króna.
        invalid.push(event("charge.refunded", charge(json!({"amount": 50}))).to_string());
        for payload in &invalid {
            assert_eq!(parse(payload.as_bytes(), false), Err(InvalidEvent::Malformed), "{payload}");
        }
        assert_eq!(parse(b"{\"id\":\"\xff\"}", false), Err(InvalidEvent::Malformed));
    }
}
