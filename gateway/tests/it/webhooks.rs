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
    fake_service::{Calls, in_process},
    test_app::{BODY_LIMIT, SendRequest as _, TestApp, unreachable_service},
};

const PATH: &str = "/api/webhooks/stripe";
const SIGNATURE: &str = "t=1795253400,v1=aa,v1=bb,v0=cc";
/// Maximum size of an event in bytes.
const EVENT_LIMIT: usize = 1024 * 1024;

async fn gateway() -> (TestApp, Calls<HandleWebhookEventRequest>) {
    let gateway = TestApp::start().await;
    let taken = taken(&gateway);
    (gateway, taken)
}

fn taken(gateway: &TestApp) -> Calls<HandleWebhookEventRequest> {
    gateway.orders.on("HandleWebhookEvent", |_: HandleWebhookEventRequest| Ok(HandleWebhookEventResponse {}))
}

fn event(gateway: &TestApp, body: impl Into<reqwest::Body>) -> RequestBuilder {
    gateway.request(Method::POST, PATH).header("stripe-signature", SIGNATURE).body(body)
}

#[tokio::test]
async fn forwards_an_event_byte_for_byte_with_its_signature() {
    let (gateway, taken) = gateway().await;
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
            let request = event(&gateway, body.to_vec()).header("content-type", content_type);
            let response = request.fetch().await;
            assert_eq!((response.status, response.json()), (200, json!({"received": true})), "{response:?}");
            let calls = taken.last();
            assert!(calls.payload == body, "{content_type}: {body:?}");
            assert_eq!((calls.provider.as_str(), calls.signature.as_str()), ("stripe", SIGNATURE));
        }
        assert_eq!(event(&gateway, body.to_vec()).fetch().await.status, 200);
    }
}

#[tokio::test]
async fn rejects_an_event_without_a_signature() {
    let (gateway, taken) = gateway().await;
    let request = || gateway.request(Method::POST, PATH).json(&json!({"id": "evt_1"}));
    request().fetch().await.problem(400, "invalid_signature");
    for signature in ["", "\u{e9}"] {
        let response = request().header("stripe-signature", signature).fetch().await;
        response.problem(400, "invalid_signature");
    }
    assert_eq!(taken.count(), 0);
}

#[tokio::test]
async fn ignores_access_tokens() {
    let (gateway, taken) = gateway().await;
    for authorization in
        [format!("Bearer {}", gateway.identity.admin()), "Bearer nonsense".to_owned(), "Basic x".to_owned()]
    {
        let request = event(&gateway, "{}").header("authorization", authorization);
        assert_eq!(request.fetch().await.status, 200);
        let metadata = gateway.orders.metadata("HandleWebhookEvent");
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
    let gateway = TestApp::start_with(|_, upstreams| upstreams.identity = identity).await;
    let taken = taken(&gateway);
    let request = event(&gateway, "{}").bearer_auth(gateway.identity.user());
    assert_eq!((request.fetch().await.status, taken.count()), (200, 1));
    // Every gateway watches the stream of ended sessions.
    calls.lock().unwrap().retain(|path| !path.ends_with("/WatchRevocations"));
    assert_eq!(*calls.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn limits_the_size_of_an_event() {
    let (gateway, taken) = gateway().await;
    assert_eq!(event(&gateway, vec![b'7'; EVENT_LIMIT]).fetch().await.status, 200);
    event(&gateway, vec![b'7'; EVENT_LIMIT + 1]).fetch().await.problem(413, "too_large");
    let chunk = format!("{:x}\r\n{}\r\n", EVENT_LIMIT, "7".repeat(EVENT_LIMIT));
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: gateway\r\nstripe-signature: {SIGNATURE}\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    gateway.send_raw(format!("{head}{chunk}{chunk}0\r\n\r\n")).await.problem(413, "too_large");
    assert_eq!(taken.count(), 1);
}

#[tokio::test]
async fn returns_rejections_of_the_order_service() {
    let gateway = TestApp::start().await;
    for (code, reason, status) in [
        (Code::InvalidArgument, "invalid_signature", 400),
        (Code::InvalidArgument, "invalid_event", 400),
        (Code::NotFound, "provider_not_configured", 404),
        (Code::Unavailable, "upstream_unavailable", 503),
    ] {
        gateway.orders.on("HandleWebhookEvent", move |_: HandleWebhookEventRequest| {
            Err::<HandleWebhookEventResponse, _>(status::rejected(code, reason, "no"))
        });
        event(&gateway, "{}").fetch().await.problem(status, reason);
    }
    let gateway = TestApp::start_with(|_, upstreams| upstreams.order = unreachable_service("order")).await;
    let response = event(&gateway, "{}").fetch().await;
    response.problem(503, "upstream_unavailable");
    assert_eq!(response.header("retry-after"), "1");
}

#[tokio::test]
async fn rejects_other_methods_than_post() {
    let gateway = TestApp::start().await;
    let response = gateway.get(PATH).fetch().await;
    response.problem(405, "method_not_allowed");
    assert_eq!(response.header("allow"), "POST");
}
