//! Connections: not too many, no silent ones, and none that ends in the middle of an answer.

use std::time::Duration;

use bodega_proto::catalog::v1::{ListCategoriesRequest, ListCategoriesResponse};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::shop::{Shop, read_answer};

/// How long a connection may be silent before its first request.
const SILENCE: Duration = Duration::from_secs(10);
const ASK: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: shop\r\n\r\n";

/// When the gateway hangs up, after how long.
async fn hangs_up(stream: &mut TcpStream) -> Duration {
    let began = Instant::now();
    let end = timeout(3 * SILENCE, stream.read_to_end(&mut Vec::new())).await;
    let _ = end.expect("the connection is still open");
    began.elapsed()
}

#[tokio::test]
async fn who_never_asks_is_hung_up_on() {
    let shop = Shop::open().await;
    let waiting = [&b""[..], b"PRI * HTTP", b"GET /healthz HTTP/1.1\r\nhost: sh"].map(async |begin| {
        let mut stream = shop.connect().await;
        stream.write_all(begin).await.unwrap();
        let waited = hangs_up(&mut stream).await;
        assert!((SILENCE / 2..2 * SILENCE).contains(&waited), "{begin:?}: {waited:?}");
    });
    let asks_later = async {
        let mut stream = shop.connect().await;
        stream.write_all(ASK).await.unwrap();
        assert_eq!(read_answer(&mut stream).await.status, 200);
        sleep(SILENCE + Duration::from_secs(1)).await;
        stream.write_all(ASK).await.unwrap();
        assert_eq!(read_answer(&mut stream).await.status, 200, "who has asked may rest");
    };
    tokio::join!(futures_util::future::join_all(waiting), asks_later);
}

#[tokio::test]
async fn a_connection_too_many_waits_until_another_ends() {
    let shop = Shop::open_with(|settings, _| settings.max_connections = 2).await;
    let mut first = shop.connect().await;
    let mut second = shop.connect().await;
    for stream in [&mut first, &mut second] {
        stream.write_all(ASK).await.unwrap();
        assert_eq!(read_answer(stream).await.status, 200);
    }
    let mut third = shop.connect().await;
    third.write_all(ASK).await.unwrap();
    assert!(timeout(Duration::from_millis(300), third.read_u8()).await.is_err(), "it has to wait");
    drop(first);
    assert_eq!(read_answer(&mut third).await.status, 200);
}

#[tokio::test]
async fn http_2_is_spoken_to_who_begins_with_it() {
    let shop = Shop::open().await;
    let mut stream = shop.connect().await;
    // The preface, and SETTINGS with nothing in it.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "SETTINGS: {frame:?}");
}

#[tokio::test]
async fn who_is_told_to_leave_is_not_ready_and_serves_on_for_a_while() {
    let delay = Duration::from_secs(1);
    let shop = Shop::open_with(|settings, _| settings.drain_delay = delay).await;
    shop.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    let get = async |path: &str| {
        let mut stream = shop.connect().await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n").as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    };
    shop.shutdown.cancel();
    get("/readyz").await.problem(503, "upstream_unavailable");
    assert_eq!(get("/healthz").await.status, 200);
    let answer = get("/api/categories").await;
    assert_eq!((answer.status, answer.header("connection")), (200, ""), "it is not closing yet");
    timeout(Duration::from_secs(10), shop.closed()).await.expect("it leaves").unwrap();
}

#[tokio::test]
async fn a_gateway_that_closes_answers_what_is_asked_and_says_not_to_ask_again() {
    let shop = Shop::open().await;
    let (mut asks, mut rests) = (shop.connect().await, shop.connect().await);
    for stream in [&mut asks, &mut rests] {
        stream.write_all(ASK).await.unwrap();
        assert_eq!(read_answer(stream).await.header("connection"), "");
    }
    shop.shutdown.cancel();
    sleep(Duration::from_millis(50)).await;
    asks.write_all(ASK).await.unwrap();
    let answer = read_answer(&mut asks).await;
    assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    let began = Instant::now();
    hangs_up(&mut rests).await;
    timeout(Duration::from_secs(5), shop.closed()).await.expect("nobody is waited for").unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
