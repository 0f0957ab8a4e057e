//! Uploads are forwarded unchanged, while they are received.

use std::future::pending;

use bodega_proto::catalog::v1::{AddProductImagesRequest, AddProductImagesResponse};
use tokio::{io::AsyncWriteExt as _, time::timeout};
use tonic::{Status, Streaming};

use super::{PART, Uploads, eventually, form, gateways, head_of, send, start_upload};
use crate::{
    fake_service::FakeService,
    test_app::{TIMEOUT, TestApp, read_response},
};

#[tokio::test]
async fn forwards_a_complete_form() {
    for (gateway, catalog) in gateways().await {
        let uploads = Uploads::record(&catalog);
        let data: Vec<u8> = (0..1_000_000_u32).map(|index| (index / 7).to_le_bytes()[0]).collect();
        let response =
            send(&gateway, &form(&[("images", Some("a"), &data), ("images", Some("b"), b"b")])).await;
        assert_eq!(response.status, 201, "{response:?}");
        let upload = uploads.last().await;
        assert_eq!((upload.product, upload.complete), (Some(3), true));
        assert!(upload.images == [data, b"b".to_vec()]);
    }
}

#[tokio::test]
async fn forwards_a_form_that_arrives_byte_by_byte() {
    let gateway = TestApp::start().await;
    let uploads = Uploads::record(&gateway.catalog);
    // Contains the start of a boundary twice.
    let data = b"\r\n--y\r\n-\r\r\n--";
    let body = form(&[("images", Some("a"), data), ("images", Some("b"), b"")]);
    let mut stream = start_upload(&gateway, &body, 0).await;
    stream.set_nodelay(true).unwrap();
    for byte in &body {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(read_response(&mut stream).await.status, 201);
    let upload = uploads.last().await;
    assert!(upload.complete && upload.images == [data.to_vec(), Vec::new()], "{upload:?}");
}

#[tokio::test]
async fn forwards_images_before_the_upload_ends() {
    for (gateway, catalog) in gateways().await {
        let uploads = Uploads::record(&catalog);
        let body = form(&[("images", Some("a"), &[7; 300_000])]);
        let stream = start_upload(&gateway, &body, 200_000).await;
        let received = || {
            let uploads = uploads.0.lock().unwrap();
            uploads.iter().flat_map(|upload| &upload.images).any(|image| image.len() > 190_000)
        };
        eventually("the first part is received", received).await;
        drop(stream);
    }
}

#[tokio::test]
async fn does_not_buffer_for_a_service_that_reads_nothing() {
    let catalog = FakeService::default();
    catalog.on_stream("AddProductImages", |_stream: Streaming<AddProductImagesRequest>| {
        pending::<Result<AddProductImagesResponse, Status>>()
    });
    for transport in [catalog.transport("catalog"), catalog.remote("catalog").await] {
        let gateway = TestApp::start_with(|settings, upstreams| {
            settings.upload_limit = 1 << 30;
            upstreams.catalog = transport;
        })
        .await;
        let mut stream = gateway.connect().await;
        stream.write_all(head_of(&gateway, 1 << 30).as_bytes()).await.unwrap();
        stream.write_all(PART.as_bytes()).await.unwrap();
        let (piece, mut sent) = (vec![7; 1 << 16], 0);
        while let Ok(written) = timeout(TIMEOUT / 3, stream.write(&piece)).await {
            sent += written.unwrap();
            // Includes the socket buffers of both ends.
            assert!(sent < 32 << 20, "the gateway buffers the upload");
        }
    }
}
