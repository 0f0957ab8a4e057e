//! Timeouts of uploads, which are longer than those of other requests.

use std::{future::pending, time::Duration};

use bodega_proto::catalog::v1::{AddProductImagesRequest, AddProductImagesResponse};
use futures_util::future::join_all;
use tokio::{io::AsyncWriteExt as _, time::Instant};
use tonic::{Status, Streaming};

use super::{Uploads, form, gateways, send, start_upload};
use crate::{
    fake_service::FakeService,
    test_app::{TIMEOUT, TestApp, TestResponse, UPLOAD_TIMEOUT, read_response},
};

#[tokio::test]
async fn times_out_a_stalled_body() {
    for (gateway, catalog) in gateways().await {
        let uploads = Uploads::record(&catalog);
        let body = form(&[("images", Some("a"), &[7; 200_000])]);
        let expect_timeout = async |sent| {
            let started = Instant::now();
            let mut stream = start_upload(&gateway, &body, sent).await;
            read_response(&mut stream).await.problem(408, "request_timeout");
            let waited = started.elapsed();
            assert!((UPLOAD_TIMEOUT / 6..UPLOAD_TIMEOUT).contains(&waited), "{sent}: {waited:?}");
        };
        join_all([0, 10, 100_000, body.len() - 6].map(expect_timeout)).await;
        assert_eq!(uploads.complete_count().await, 0);
    }
}

/// Sends a body in pieces with pauses.
async fn send_slowly(gateway: &TestApp, body: &[u8], pieces: usize, pause: Duration) -> TestResponse {
    let mut stream = start_upload(gateway, body, 0).await;
    let (mut reading, mut writing) = stream.split();
    let writing = async {
        for piece in body.chunks(body.len().div_ceil(pieces)) {
            if writing.write_all(piece).await.is_err() {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        pending::<()>().await
    };
    tokio::select! {
        response = read_response(&mut reading) => response,
        () = writing => unreachable!(),
    }
}

#[tokio::test]
async fn a_slow_upload_may_exceed_the_request_timeout() {
    let gateway = TestApp::start().await;
    let uploads = Uploads::record(&gateway.catalog);
    let body = form(&[("images", Some("a"), &[7; 200_000])]);
    let started = Instant::now();
    let response = send_slowly(&gateway, &body, 5, TIMEOUT / 3).await;
    assert_eq!(response.status, 201, "{response:?}");
    assert!(started.elapsed() > TIMEOUT + Duration::from_millis(200), "{:?}", started.elapsed());
    assert!(uploads.last().await.complete);
    let timeout = gateway.catalog.metadata("AddProductImages")["grpc-timeout"].to_str().unwrap().to_owned();
    let milliseconds: u128 = timeout.strip_suffix('m').unwrap().parse().unwrap();
    assert!(milliseconds > TIMEOUT.as_millis(), "{timeout}");
}

#[tokio::test]
async fn ends_an_upload_below_the_minimum_rate() {
    for (gateway, catalog) in gateways().await {
        let uploads = Uploads::record(&catalog);
        let body = form(&[("images", Some("a"), &[7; 100_000])]);
        let started = Instant::now();
        // 4 kB/s, with pauses that are much shorter than the time limit for the next bytes.
        let response = send_slowly(&gateway, &body, 250, UPLOAD_TIMEOUT / 60).await;
        let problem = response.problem(408, "request_timeout");
        assert_eq!(problem["detail"], "the request body arrived too slowly");
        assert!(started.elapsed() > UPLOAD_TIMEOUT / 6, "{:?}", started.elapsed());
        assert!(!uploads.last().await.complete);
    }
}

#[tokio::test]
async fn completes_an_upload_during_shutdown() {
    let gateway = TestApp::start().await;
    let uploads = Uploads::record(&gateway.catalog);
    let body = form(&[("images", Some("a"), &[7; 200_000])]);
    let shut_down = async {
        tokio::time::sleep(TIMEOUT / 6).await;
        gateway.shutdown.cancel();
        Instant::now()
    };
    let (response, shutdown) = tokio::join!(send_slowly(&gateway, &body, 8, TIMEOUT / 3), shut_down);
    assert_eq!((response.status, response.header("connection")), (201, "close"), "{response:?}");
    assert!(
        shutdown.elapsed() > 2 * TIMEOUT,
        "the gateway waits longer than the request timeout: {:?}",
        shutdown.elapsed()
    );
    assert!(uploads.last().await.complete);
    tokio::time::timeout(TIMEOUT, gateway.stopped())
        .await
        .expect("the gateway stops after the upload")
        .unwrap();
}

#[tokio::test]
async fn limits_the_total_time_of_an_upload() {
    let catalog = FakeService::default();
    let transports = [catalog.transport("catalog"), catalog.remote("catalog").await];
    let uploads = Uploads::record(&catalog);
    for transport in transports {
        let gateway = TestApp::start_with(|settings, upstreams| {
            settings.upload_timeout = Duration::from_secs(2);
            upstreams.catalog = transport;
        })
        .await;
        let body = form(&[("images", Some("a"), &[7; 200_000])]);
        let started = Instant::now();
        let response = send_slowly(&gateway, &body, 100, Duration::from_millis(100)).await;
        response.problem(408, "request_timeout");
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        assert!(!uploads.last().await.complete);
    }
}

#[tokio::test]
async fn returns_503_when_the_service_does_not_respond_to_an_upload() {
    let gateway = TestApp::start_with(|settings, _| settings.upload_timeout = Duration::from_secs(2)).await;
    gateway.catalog.on_stream(
        "AddProductImages",
        |mut stream: Streaming<AddProductImagesRequest>| async move {
            while stream.message().await?.is_some() {}
            pending::<Result<AddProductImagesResponse, Status>>().await
        },
    );
    let response = send(&gateway, &form(&[("images", Some("a"), b"a")])).await;
    assert_eq!((response.status, response.header("retry-after")), (503, "1"), "{response:?}");
}

#[tokio::test]
async fn returns_503_for_an_upload_to_an_unavailable_service() {
    let gateway = TestApp::start_with(|_, upstreams| {
        upstreams.catalog = crate::test_app::unreachable_service("catalog")
    })
    .await;
    let response = send(&gateway, &form(&[("images", Some("a"), &vec![7; 1 << 20])])).await;
    response.problem(503, "upstream_unavailable");
}
