//! The response to a rejected upload is sent before the upload ends, and the client can read it.

use bodega_proto::catalog::v1::{AddProductImagesRequest, AddProductImagesResponse};
use bodega_runtime::status;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tonic::{Code, Streaming};

use super::{Uploads, form, gateways, head_of, send, start_upload};
use crate::{
    fake_service::FakeService,
    test_app::{TIMEOUT, TestApp, read_response},
};

fn reject_uploads(catalog: &FakeService) {
    catalog.on_stream("AddProductImages", |_: Streaming<AddProductImagesRequest>| async {
        Err::<AddProductImagesResponse, _>(status::rejected(
            Code::NotFound,
            "product_not_found",
            "product not found",
        ))
    });
}

#[tokio::test]
async fn responds_to_a_rejected_upload_before_its_end() {
    for (gateway, catalog) in gateways().await {
        reject_uploads(&catalog);
        let body = form(&[("images", Some("a"), &vec![7; 6 << 20])]);
        let mut stream = start_upload(&gateway, &body, 100_000).await;
        let mut response = [0; 12];
        stream.read_exact(&mut response).await.unwrap();
        assert_eq!(&response, b"HTTP/1.1 404");
        // A client that continues to send is not disconnected.
        stream.write_all(&body[100_000..]).await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert!(rest.contains("product_not_found"), "{rest}");
    }
}

#[tokio::test]
async fn a_client_that_reads_after_sending_gets_the_rejection() {
    for (gateway, catalog) in gateways().await {
        reject_uploads(&catalog);
        let body = form(&[("images", Some("a"), &vec![7; 7 << 20])]);
        let response = send(&gateway, &body).await;
        response.problem(404, "product_not_found");
        // Requests that are rejected before the body is read.
        let head = head_of(&gateway, body.len());
        for (head, status) in [
            (head.replace("authorization", "x-nothing"), 401),
            (head.replace("multipart/form-data", "image/png"), 415),
            (head.replace("/3/", "/x/"), 400),
        ] {
            let response = gateway.send_raw([head.as_bytes(), &body].concat()).await;
            assert_eq!(response.status, status, "{response:?}");
        }
    }
}

#[tokio::test]
async fn keeps_the_connection_after_a_rejection() {
    let gateway = TestApp::start().await;
    reject_uploads(&gateway.catalog);
    let body = form(&[("images", Some("a"), &vec![7; 1 << 20])]);
    let upload = head_of(&gateway, body.len()).replace("connection: close\r\n", "");
    let again = "GET /healthz HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n";
    let response = gateway.send_raw([upload.as_bytes(), &body, again.as_bytes()].concat()).await;
    assert_eq!(response.status, 404);
    assert!(response.text.contains("HTTP/1.1 200"), "{response:?}");
}

#[tokio::test]
async fn sends_100_continue_only_for_accepted_uploads() {
    let gateway = TestApp::start().await;
    let uploads = Uploads::record(&gateway.catalog);
    let body = form(&[("images", Some("a"), b"a")]);
    let head = head_of(&gateway, body.len())
        .replace("connection: close", "expect: 100-continue\r\nconnection: close");

    let mut stream = gateway.connect().await;
    stream.write_all(head.replace("authorization", "x-nothing").as_bytes()).await.unwrap();
    let mut response = String::new();
    // The gateway closes the connection, because it cannot know whether the body follows.
    timeout(TIMEOUT, stream.read_to_string(&mut response)).await.expect("the connection is closed").unwrap();
    assert!(response.starts_with("HTTP/1.1 401"), "{response}");
    assert_eq!(uploads.count(), 0);

    let mut stream = gateway.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut request = [0; 25];
    stream.read_exact(&mut request).await.unwrap();
    assert_eq!(&request, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body).await.unwrap();
    assert_eq!(read_response(&mut stream).await.status, 201);
}
