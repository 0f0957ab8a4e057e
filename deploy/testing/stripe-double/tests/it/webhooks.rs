//! Webhook deliveries.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use bodega_stripe_double::{Card, DeliveryPolicy, signature_header};
use serde_json::{Value, json};

use crate::merchant::{Merchant, intent_form};

/// A webhook endpoint that rejects a number of deliveries.
#[derive(Clone, Default)]
struct Receiver {
    received: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    rejections: Arc<Mutex<u32>>,
}

impl Receiver {
    /// Starts an endpoint and delivers the merchant's events to it.
    async fn start(merchant: &Merchant) -> Self {
        let receiver = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        merchant.stripe.deliver_to(&format!("http://{}/hook", listener.local_addr().unwrap()));
        let app = Router::new().route("/hook", post(Self::receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    async fn receive(
        State(receiver): State<Self>,
        headers: HeaderMap,
        body: Bytes,
    ) -> axum::http::StatusCode {
        let body = String::from_utf8(body.to_vec()).unwrap();
        receiver.received.lock().unwrap().push((headers, body));
        let mut rejections = receiver.rejections.lock().unwrap();
        match *rejections {
            0 => axum::http::StatusCode::NO_CONTENT,
            _ => {
                *rejections -= 1;
                axum::http::StatusCode::FOUND
            }
        }
    }

    /// The types of the received events, in order.
    fn event_types(&self) -> Vec<String> {
        let received = self.received.lock().unwrap();
        let kind =
            |body: &String| serde_json::from_str::<Value>(body).unwrap()["type"].as_str().unwrap().to_owned();
        received.iter().map(|(_, body)| kind(body)).collect()
    }

    /// Returns the signature and the body of the last delivery.
    fn last_delivery(&self) -> (String, String) {
        let received = self.received.lock().unwrap();
        let (headers, body) = received.last().unwrap();
        (headers["stripe-signature"].to_str().unwrap().to_owned(), body.clone())
    }
}

fn timestamp(header: &str) -> i64 {
    header.split(',').next().unwrap().trim_start_matches("t=").parse().unwrap()
}

#[tokio::test]
async fn signs_the_delivered_bytes() {
    let merchant = Merchant::new().await;
    merchant.create_intent().await;
    let receiver = Receiver::start(&merchant).await;
    let intent = merchant.create_intent().await;
    merchant.stripe.delivered().await;
    assert_eq!(receiver.event_types(), ["payment_intent.created"]);
    let (header, body) = receiver.last_delivery();
    let secret = &merchant.stripe.options().webhook_secret;
    assert_eq!(header, signature_header(body.as_bytes(), timestamp(&header), &[secret]));
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(Some(&event), merchant.stripe.events().last());
    assert_eq!(event["data"]["object"], merchant.stripe.object(&intent).unwrap());
    for (property, expected) in
        [("object", json!("event")), ("livemode", json!(false)), ("pending_webhooks", json!(1))]
    {
        assert_eq!(event[property], expected, "{property}");
    }
    assert!(body.contains("\n  \"id\": \"evt_"), "{body}");
}

#[tokio::test]
async fn retries_until_an_event_is_accepted() {
    let merchant = Merchant::new().await;
    let receiver = Receiver::start(&merchant).await;
    *receiver.rejections.lock().unwrap() = 2;
    let backoff = Duration::from_millis(5);
    merchant.stripe.set_delivery_policy(DeliveryPolicy { attempts: 3, backoff, ..Default::default() });
    merchant.create_intent().await;
    merchant.stripe.delivered().await;
    let statuses: Vec<_> = merchant.stripe.deliveries().into_iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [Some(302), Some(302), Some(204)]);
    *receiver.rejections.lock().unwrap() = 9;
    merchant.create_intent().await;
    merchant.stripe.delivered().await;
    assert_eq!(merchant.stripe.deliveries().len(), 6);
}

#[tokio::test]
async fn deliveries_can_be_paused_dropped_and_duplicated() {
    let merchant = Merchant::new().await;
    let receiver = Receiver::start(&merchant).await;
    merchant.stripe.pause_deliveries();
    let intent = merchant.create_intent().await;
    merchant.stripe.delivered().await;
    assert!(receiver.event_types().is_empty());
    merchant.stripe.flush_deliveries();
    merchant.stripe.delivered().await;
    assert_eq!(receiver.event_types(), ["payment_intent.created"]);

    merchant.stripe.set_delivery_policy(DeliveryPolicy { loss: 1.0, ..Default::default() });
    merchant.stripe.confirm(&intent, Card::Declined).await.unwrap();
    merchant.stripe.delivered().await;
    assert_eq!(receiver.event_types().len(), 1);

    merchant.stripe.set_delivery_policy(DeliveryPolicy { duplicates: 2, ..Default::default() });
    merchant.post(&format!("payment_intents/{intent}/cancel"), &[]).await;
    merchant.stripe.delivered().await;
    assert_eq!(receiver.event_types()[1..], ["payment_intent.canceled"; 3]);
}

#[tokio::test]
async fn a_delivery_window_reorders_events() {
    let merchant = Merchant::new().await;
    let receiver = Receiver::start(&merchant).await;
    let window = Duration::from_millis(300);
    merchant.stripe.set_delivery_policy(DeliveryPolicy { window, ..Default::default() });
    for _ in 0..10 {
        merchant.create_paid_intent().await;
    }
    merchant.stripe.delivered().await;
    let (mut sent, mut received) = (merchant.event_types(), receiver.event_types());
    assert_ne!(sent, received);
    sent.sort();
    received.sort();
    assert_eq!(sent, received);
}

#[tokio::test]
async fn signs_with_the_new_and_the_previous_secret_after_rolling() {
    let merchant = Merchant::new().await;
    let receiver = Receiver::start(&merchant).await;
    merchant.stripe.roll_webhook_secret("whsec_new");
    merchant.stripe.sign_with_v0(true);
    merchant.create_intent().await;
    merchant.stripe.delivered().await;
    let (header, body) = receiver.last_delivery();
    let old = &merchant.stripe.options().webhook_secret;
    let both = signature_header(body.as_bytes(), timestamp(&header), &["whsec_new", old]);
    assert!(header.starts_with(&format!("{both},v0=")), "{header}");
    assert_eq!(header, merchant.stripe.sign(body.as_bytes(), timestamp(&header)));
}

#[tokio::test]
async fn posts_events_that_a_test_has_created() {
    let merchant = Merchant::new().await;
    let intent = merchant.post("payment_intents", &intent_form()).await.body;
    let mut event = merchant.stripe.event("payment_intent.succeeded", &intent);
    assert_eq!(merchant.stripe.post_event(&event).await, None);
    let receiver = Receiver::start(&merchant).await;
    event["data"]["object"]["amount_received"] = json!(1);
    event["account"] = json!("acct_other");
    assert_eq!(merchant.stripe.post_event(&event).await, Some(204));
    let (header, body) = receiver.last_delivery();
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), event);
    assert_eq!(header, merchant.stripe.sign(body.as_bytes(), timestamp(&header)));
    assert_eq!(merchant.stripe.post_payload("{}", "t=1,v1=00").await, Some(204));
    assert_eq!(receiver.last_delivery(), ("t=1,v1=00".to_owned(), "{}".to_owned()));
    assert_eq!(merchant.event_types(), ["payment_intent.created"]);
}
