//! An upload that is refused is answered before it has come to its end, and its client hears of it.

use bodega_proto::catalog::v1::{AddProductImagesRequest, AddProductImagesResponse};
use bodega_runtime::status;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tonic::{Code, Streaming};

use super::{Uploads, begin, form, head_of, send, shops};
use crate::{
    fakes::Fake,
    shop::{Shop, TIMEOUT, read_answer},
};

fn refusing(catalog: &Fake) {
    catalog.on_stream("AddProductImages", |_: Streaming<AddProductImagesRequest>| async {
        Err::<AddProductImagesResponse, _>(status::rejected(
            Code::NotFound,
            "product_not_found",
            "no such product",
        ))
    });
}

#[tokio::test]
async fn a_refusal_is_answered_at_once_however_much_is_still_to_come() {
    for (shop, catalog) in shops().await {
        refusing(&catalog);
        let body = form(&[("images", Some("a"), &vec![7; 6 << 20])]);
        let mut stream = begin(&shop, &body, 100_000).await;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 404");
        // Who goes on all the same is not cut off.
        stream.write_all(&body[100_000..]).await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert!(rest.contains("product_not_found"), "{rest}");
    }
}

#[tokio::test]
async fn who_sends_all_before_listening_hears_the_refusal() {
    for (shop, catalog) in shops().await {
        refusing(&catalog);
        let body = form(&[("images", Some("a"), &vec![7; 7 << 20])]);
        let answer = send(&shop, &body).await;
        answer.problem(404, "product_not_found");
        // The same, refused before any of it was read.
        let head = head_of(&shop, body.len());
        for (head, status) in [
            (head.replace("authorization", "x-nothing"), 401),
            (head.replace("multipart/form-data", "image/png"), 415),
            (head.replace("/3/", "/x/"), 400),
        ] {
            let answer = shop.send_raw([head.as_bytes(), &body].concat()).await;
            assert_eq!(answer.status, status, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_outlives_a_refusal() {
    let shop = Shop::open().await;
    refusing(&shop.catalog);
    let body = form(&[("images", Some("a"), &vec![7; 1 << 20])]);
    let upload = head_of(&shop, body.len()).replace("connection: close\r\n", "");
    let again = "GET /healthz HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n";
    let answer = shop.send_raw([upload.as_bytes(), &body, again.as_bytes()].concat()).await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("HTTP/1.1 200"), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_is_not_wanted_is_not_asked_for() {
    let shop = Shop::open().await;
    let uploads = Uploads::taken_by(&shop.catalog);
    let body = form(&[("images", Some("a"), b"a")]);
    let head =
        head_of(&shop, body.len()).replace("connection: close", "expect: 100-continue\r\nconnection: close");

    let mut stream = shop.connect().await;
    stream.write_all(head.replace("authorization", "x-nothing").as_bytes()).await.unwrap();
    let mut answer = String::new();
    // Nor is it waited for: what comes next on this connection could be anything.
    timeout(TIMEOUT, stream.read_to_string(&mut answer)).await.expect("the end").unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(uploads.count(), 0);

    let mut stream = shop.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 201);
}
