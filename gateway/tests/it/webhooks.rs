//! Webhook events, which are forwarded unread to the order service.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use bodega_proto::order::v1::{HandleWebhookEventRequest, HandleWebhookEventResponse};
use bodega_runtime::status;
use http::Method;
use reqwest::RequestBuilder;
use serde_json::json;
use tonic::{Code, body::Body};
use tower::util::BoxCloneSyncService;

use crate::{
    fakes::{Heard, in_process},
    shop::{Answered as _, BODY_LIMIT, Shop, nowhere},
};

const PATH: &str = "/api/webhooks/stripe";
const SIGNATURE: &str = "t=1795253400,v1=aa,v1=bb,v0=cc";
/// Maximum size of an event in bytes.
const EVENT_LIMIT: usize = 1024 * 1024;

async fn shop() -> (Shop, Heard<HandleWebhookEventRequest>) {
    let shop = Shop::open().await;
    let taken = taken(&shop);
    (shop, taken)
}

fn taken(shop: &Shop) -> Heard<HandleWebhookEventRequest> {
    shop.orders.on("HandleWebhookEvent", |_: HandleWebhookEventRequest| Ok(HandleWebhookEventResponse {}))
}

fn event(shop: &Shop, body: impl Into<reqwest::Body>) -> RequestBuilder {
    shop.request(Method::POST, PATH).header("stripe-signature", SIGNATURE).body(body)
}

#[tokio::test]
async fn forwards_an_event_byte_for_byte_with_its_signature() {
    let (shop, taken) = shop().await;
    for body in [
        &b"{\"id\": \"evt_1\",\r\n  \"amount\": 1.0}\n\n"[..],
        b"\xef\xbb\xbf{}",
        b"\xff\xfe\x00 no UTF-8 \xc3\x28",
        b"",
        b" {} ",
        &vec![b'7'; BODY_LIMIT * 4],
    ] {
        for content_type in
            ["application/json", "application/json; charset=latin1", "text/plain", "image/png", "?"]
        {
            let request = event(&shop, body.to_vec()).header("content-type", content_type);
            let answer = request.answer().await;
            assert_eq!((answer.status, answer.json()), (200, json!({"received": true})), "{answer:?}");
            let heard = taken.last();
            assert!(heard.payload == body, "{content_type}: {body:?}");
            assert_eq!((heard.provider.as_str(), heard.signature.as_str()), ("stripe", SIGNATURE));
        }
        assert_eq!(event(&shop, body.to_vec()).answer().await.status, 200);
    }
}

#[tokio::test]
async fn rejects_an_event_without_a_signature() {
    let (shop, taken) = shop().await;
    let request = || shop.request(Method::POST, PATH).json(&json!({"id": "evt_1"}));
    request().answer().await.problem(400, "invalid_signature");
    for signature in ["", "\u{e9}"] {
        let answer = request().header("stripe-signature", signature).answer().await;
        answer.problem(400, "invalid_signature");
    }
    assert_eq!(taken.count(), 0);
}

#[tokio::test]
async fn ignores_access_tokens() {
    let (shop, taken) = shop().await;
    for authorization in
        [format!("Bearer {}", shop.identity.admin()), "Bearer nonsense".to_owned(), "Basic x".to_owned()]
    {
        let request = event(&shop, "{}").header("authorization", authorization);
        assert_eq!(request.answer().await.status, 200);
        let metadata = shop.orders.metadata("HandleWebhookEvent");
        assert!(!metadata.contains_key("authorization"), "{metadata:?}");
        assert!(metadata.contains_key("x-bodega-service-token") && metadata.contains_key("grpc-timeout"));
    }
    assert_eq!(taken.count(), 3);
}

#[tokio::test]
async fn does_not_call_identity_for_an_event() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let recorder = calls.clone();
    let identity = in_process(
        "identity",
        BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<Body>| {
            recorder.lock().unwrap().push(request.uri().path().to_owned());
            pending()
        })),
    );
    let shop = Shop::open_with(|_, upstreams| upstreams.identity = identity).await;
    let taken = taken(&shop);
    let request = event(&shop, "{}").bearer_auth(shop.identity.user());
    assert_eq!((request.answer().await.status, taken.count()), (200, 1));
    // Every gateway watches the stream of ended sessions.
    calls.lock().unwrap().retain(|path| !path.ends_with("/WatchRevocations"));
    assert_eq!(*calls.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn limits_the_size_of_an_event() {
    let (shop, taken) = shop().await;
    assert_eq!(event(&shop, vec![b'7'; EVENT_LIMIT]).answer().await.status, 200);
    event(&shop, vec![b'7'; EVENT_LIMIT + 1]).answer().await.problem(413, "too_large");
    let chunk = format!("{:x}\r\n{}\r\n", EVENT_LIMIT, "7".repeat(EVENT_LIMIT));
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: shop\r\nstripe-signature: {SIGNATURE}\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    shop.send_raw(format!("{head}{chunk}{chunk}0\r\n\r\n")).await.problem(413, "too_large");
    assert_eq!(taken.count(), 1);
}

#[tokio::test]
async fn returns_rejections_of_the_order_service() {
    let shop = Shop::open().await;
    for (code, reason, status) in [
        (Code::InvalidArgument, "invalid_signature", 400),
        (Code::InvalidArgument, "invalid_event", 400),
        (Code::NotFound, "provider_not_configured", 404),
        (Code::Unavailable, "upstream_unavailable", 503),
    ] {
        shop.orders.on("HandleWebhookEvent", move |_: HandleWebhookEventRequest| {
            Err::<HandleWebhookEventResponse, _>(status::rejected(code, reason, "no"))
        });
        event(&shop, "{}").answer().await.problem(status, reason);
    }
    let shop = Shop::open_with(|_, upstreams| upstreams.order = nowhere("order")).await;
    let answer = event(&shop, "{}").answer().await;
    answer.problem(503, "upstream_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn rejects_other_methods_than_post() {
    let shop = Shop::open().await;
    let answer = shop.get(PATH).answer().await;
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST");
}
