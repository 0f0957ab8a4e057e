//! Uploads have more time than other requests, and not for ever.

use std::{future::pending, time::Duration};

use bodega_proto::catalog::v1::{AddProductImagesRequest, AddProductImagesResponse};
use futures_util::future::join_all;
use tokio::{io::AsyncWriteExt as _, time::Instant};
use tonic::{Status, Streaming};

use super::{Uploads, begin, form, send, shops};
use crate::{
    fakes::Fake,
    shop::{Answer, Shop, TIMEOUT, UPLOAD_TIMEOUT, read_answer},
};

#[tokio::test]
async fn a_body_that_stands_still_is_given_up() {
    for (shop, catalog) in shops().await {
        let uploads = Uploads::taken_by(&catalog);
        let body = form(&[("images", Some("a"), &[7; 200_000])]);
        let given_up = async |sent| {
            let started = Instant::now();
            let mut stream = begin(&shop, &body, sent).await;
            read_answer(&mut stream).await.problem(408, "request_timeout");
            let waited = started.elapsed();
            assert!((UPLOAD_TIMEOUT / 6..UPLOAD_TIMEOUT).contains(&waited), "{sent}: {waited:?}");
        };
        join_all([0, 10, 100_000, body.len() - 6].map(given_up)).await;
        assert_eq!(uploads.whole().await, 0);
    }
}

/// Sends a body in this many pieces, with pauses between them.
async fn send_slowly(shop: &Shop, body: &[u8], pieces: usize, pause: Duration) -> Answer {
    let mut stream = begin(shop, body, 0).await;
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
        answer = read_answer(&mut reading) => answer,
        () = writing => unreachable!(),
    }
}

#[tokio::test]
async fn an_upload_that_comes_on_may_take_longer_than_anything_else() {
    let shop = Shop::open().await;
    let uploads = Uploads::taken_by(&shop.catalog);
    let body = form(&[("images", Some("a"), &[7; 200_000])]);
    let started = Instant::now();
    let answer = send_slowly(&shop, &body, 5, TIMEOUT / 3).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(started.elapsed() > TIMEOUT + Duration::from_millis(200), "{:?}", started.elapsed());
    assert!(uploads.last().await.whole);
    let timeout = shop.catalog.metadata("AddProductImages")["grpc-timeout"].to_str().unwrap().to_owned();
    let milliseconds: u128 = timeout.strip_suffix('m').unwrap().parse().unwrap();
    assert!(milliseconds > TIMEOUT.as_millis(), "{timeout}");
}

#[tokio::test]
async fn an_upload_is_taken_to_its_end_though_the_gateway_is_told_to_leave() {
    let shop = Shop::open().await;
    let uploads = Uploads::taken_by(&shop.catalog);
    let body = form(&[("images", Some("a"), &[7; 200_000])]);
    let leave = async {
        tokio::time::sleep(TIMEOUT / 6).await;
        shop.shutdown.cancel();
        Instant::now()
    };
    let (answer, left) = tokio::join!(send_slowly(&shop, &body, 8, TIMEOUT / 3), leave);
    assert_eq!((answer.status, answer.header("connection")), (201, "close"), "{answer:?}");
    assert!(left.elapsed() > 2 * TIMEOUT, "longer than anything else is waited for: {:?}", left.elapsed());
    assert!(uploads.last().await.whole);
    tokio::time::timeout(TIMEOUT, shop.closed()).await.expect("nothing else is waited for").unwrap();
}

#[tokio::test]
async fn no_upload_takes_for_ever() {
    let catalog = Fake::default();
    let ways = [catalog.transport("catalog"), catalog.remote("catalog").await];
    let uploads = Uploads::taken_by(&catalog);
    for way in ways {
        let shop = Shop::open_with(|settings, upstreams| {
            settings.upload_timeout = Duration::from_secs(2);
            upstreams.catalog = way;
        })
        .await;
        let body = form(&[("images", Some("a"), &[7; 200_000])]);
        let started = Instant::now();
        let answer = send_slowly(&shop, &body, 100, Duration::from_millis(100)).await;
        answer.problem(408, "request_timeout");
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        assert!(!uploads.last().await.whole);
    }
}

#[tokio::test]
async fn a_service_that_keeps_an_upload_waiting_is_unavailable() {
    let shop = Shop::open_with(|settings, _| settings.upload_timeout = Duration::from_secs(2)).await;
    shop.catalog.on_stream("AddProductImages", |mut stream: Streaming<AddProductImagesRequest>| async move {
        while stream.message().await?.is_some() {}
        pending::<Result<AddProductImagesResponse, Status>>().await
    });
    let answer = send(&shop, &form(&[("images", Some("a"), b"a")])).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{answer:?}");
}

#[tokio::test]
async fn a_service_that_is_down_is_unavailable() {
    let shop = Shop::open_with(|_, upstreams| upstreams.catalog = crate::shop::nowhere("catalog")).await;
    let answer = send(&shop, &form(&[("images", Some("a"), &vec![7; 1 << 20])])).await;
    answer.problem(503, "upstream_unavailable");
}
