//! What comes in goes on.

use std::future::pending;

use bodega_proto::catalog::v1::{AddProductImagesRequest, AddProductImagesResponse};
use tokio::{io::AsyncWriteExt as _, time::timeout};
use tonic::{Status, Streaming};

use super::{PART, Uploads, begin, eventually, form, head_of, send, shops};
use crate::{
    fakes::Fake,
    shop::{Shop, TIMEOUT, read_answer},
};

#[tokio::test]
async fn a_whole_form_is_a_whole_upload() {
    for (shop, catalog) in shops().await {
        let uploads = Uploads::taken_by(&catalog);
        let data: Vec<u8> = (0..1_000_000_u32).map(|at| (at / 7).to_le_bytes()[0]).collect();
        let answer = send(&shop, &form(&[("images", Some("a"), &data), ("images", Some("b"), b"b")])).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let upload = uploads.last().await;
        assert_eq!((upload.product, upload.whole), (Some(3), true));
        assert!(upload.pictures == [data, b"b".to_vec()]);
    }
}

#[tokio::test]
async fn a_form_that_comes_in_drops_is_the_same_form() {
    let shop = Shop::open().await;
    let uploads = Uploads::taken_by(&shop.catalog);
    // Nearly a boundary, and nearly again.
    let data = b"\r\n--y\r\n-\r\r\n--";
    let body = form(&[("images", Some("a"), data), ("images", Some("b"), b"")]);
    let mut stream = begin(&shop, &body, 0).await;
    stream.set_nodelay(true).unwrap();
    for byte in &body {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(read_answer(&mut stream).await.status, 201);
    let upload = uploads.last().await;
    assert!(upload.whole && upload.pictures == [data.to_vec(), Vec::new()], "{upload:?}");
}

#[tokio::test]
async fn pictures_go_on_before_the_last_of_them_has_come() {
    for (shop, catalog) in shops().await {
        let uploads = Uploads::taken_by(&catalog);
        let body = form(&[("images", Some("a"), &[7; 300_000])]);
        let stream = begin(&shop, &body, 200_000).await;
        let arrived = || {
            let uploads = uploads.0.lock().unwrap();
            uploads.iter().flat_map(|upload| &upload.pictures).any(|picture| picture.len() > 190_000)
        };
        eventually("what has come so far has arrived", arrived).await;
        drop(stream);
    }
}

#[tokio::test]
async fn a_service_that_takes_nothing_fills_no_memory() {
    let catalog = Fake::default();
    catalog.on_stream("AddProductImages", |_stream: Streaming<AddProductImagesRequest>| {
        pending::<Result<AddProductImagesResponse, Status>>()
    });
    for way in [catalog.transport("catalog"), catalog.remote("catalog").await] {
        let shop = Shop::open_with(|settings, upstreams| {
            settings.upload_limit = 1 << 30;
            upstreams.catalog = way;
        })
        .await;
        let mut stream = shop.connect().await;
        stream.write_all(head_of(&shop, 1 << 30).as_bytes()).await.unwrap();
        stream.write_all(PART.as_bytes()).await.unwrap();
        let (piece, mut taken) = (vec![7; 1 << 16], 0);
        while let Ok(written) = timeout(TIMEOUT / 3, stream.write(&piece)).await {
            taken += written.unwrap();
            // What the sockets of both ends hold is not ours.
            assert!(taken < 32 << 20, "it is all taken in");
        }
    }
}
