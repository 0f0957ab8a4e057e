//! Connection limits, idle timeouts, and graceful shutdown.

use std::time::Duration;

use bodega_proto::catalog::v1::{ListCategoriesRequest, ListCategoriesResponse};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::test_app::{TestApp, read_response};

/// Timeout for the first request of a connection.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n";

/// Waits until the gateway closes the connection.
async fn time_until_closed(stream: &mut TcpStream) -> Duration {
    let started = Instant::now();
    let end = timeout(3 * FIRST_REQUEST_TIMEOUT, stream.read_to_end(&mut Vec::new())).await;
    let _ = end.expect("the connection is still open");
    started.elapsed()
}

#[tokio::test]
async fn closes_a_connection_without_a_request() {
    let gateway = TestApp::start().await;
    let waiting = [&b""[..], b"PRI * HTTP", b"GET /healthz HTTP/1.1\r\nhost: sh"].map(async |start| {
        let mut stream = gateway.connect().await;
        stream.write_all(start).await.unwrap();
        let waited = time_until_closed(&mut stream).await;
        assert!(
            (FIRST_REQUEST_TIMEOUT / 2..2 * FIRST_REQUEST_TIMEOUT).contains(&waited),
            "{start:?}: {waited:?}"
        );
    });
    let later_request = async {
        let mut stream = gateway.connect().await;
        stream.write_all(REQUEST).await.unwrap();
        assert_eq!(read_response(&mut stream).await.status, 200);
        sleep(FIRST_REQUEST_TIMEOUT + Duration::from_secs(1)).await;
        stream.write_all(REQUEST).await.unwrap();
        assert_eq!(read_response(&mut stream).await.status, 200, "a connection with a request may be idle");
    };
    tokio::join!(futures_util::future::join_all(waiting), later_request);
}

#[tokio::test]
async fn a_connection_above_the_limit_replaces_an_idle_one_of_the_same_client() {
    let gateway = TestApp::start_with(|settings, _| settings.max_connections = 2).await;
    let mut first = gateway.connect().await;
    let mut second = gateway.connect().await;
    for stream in [&mut first, &mut second] {
        stream.write_all(REQUEST).await.unwrap();
        assert_eq!(read_response(stream).await.status, 200);
    }
    let mut third = gateway.connect().await;
    third.write_all(REQUEST).await.unwrap();
    assert_eq!(read_response(&mut third).await.status, 200);
    time_until_closed(&mut first).await;
    second.write_all(REQUEST).await.unwrap();
    assert_eq!(read_response(&mut second).await.status, 200, "it was idle for less time");
}

#[tokio::test]
async fn accepts_http_2_with_prior_knowledge() {
    let gateway = TestApp::start().await;
    let mut stream = gateway.connect().await;
    // The connection preface and an empty SETTINGS frame.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "SETTINGS: {frame:?}");
    let mut settings = vec![0; usize::from(u16::from_be_bytes([frame[1], frame[2]]))];
    stream.read_exact(&mut settings).await.unwrap();
    let settings: Vec<_> = settings
        .chunks(6)
        .map(|one| (one[1], u32::from_be_bytes([one[2], one[3], one[4], one[5]])))
        .collect();
    // Concurrent streams, unread bytes of a stream, bytes of a head.
    for limit in [(3, 100), (4, 128 * 1024), (6, 32 * 1024)] {
        assert!(settings.contains(&limit), "{limit:?}: {settings:?}");
    }
}

#[tokio::test]
async fn is_not_ready_but_serves_while_it_drains() {
    let gateway = TestApp::start().await;
    gateway.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    let get = async |path: &str| {
        let mut stream = gateway.connect().await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: gateway\r\n\r\n").as_bytes()).await.unwrap();
        read_response(&mut stream).await
    };
    assert_eq!(get("/readyz").await.status, 200);
    assert!(gateway.health.is_ready().await);
    gateway.health.drain();
    get("/readyz").await.problem(503, "shutting_down");
    assert!(!gateway.health.is_ready().await);
    assert_eq!(get("/healthz").await.status, 200);
    let response = get("/api/categories").await;
    assert_eq!(
        (response.status, response.header("connection")),
        (200, ""),
        "the connection is not closing yet"
    );
    gateway.shutdown.cancel();
    timeout(Duration::from_secs(10), gateway.stopped()).await.expect("the gateway stops").unwrap();
}

#[tokio::test]
async fn responds_on_open_connections_with_connection_close_while_shutting_down() {
    let gateway = TestApp::start().await;
    let (mut active, mut idle) = (gateway.connect().await, gateway.connect().await);
    for stream in [&mut active, &mut idle] {
        stream.write_all(REQUEST).await.unwrap();
        assert_eq!(read_response(stream).await.header("connection"), "");
    }
    gateway.shutdown.cancel();
    sleep(Duration::from_millis(50)).await;
    active.write_all(REQUEST).await.unwrap();
    let response = read_response(&mut active).await;
    assert_eq!((response.status, response.header("connection")), (200, "close"));
    let started = Instant::now();
    time_until_closed(&mut idle).await;
    timeout(Duration::from_secs(5), gateway.stopped())
        .await
        .expect("the gateway stops without waiting")
        .unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
