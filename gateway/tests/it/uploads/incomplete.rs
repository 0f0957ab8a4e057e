//! Incomplete and malformed forms are rejected, and never look complete to the service.

use tokio::io::AsyncWriteExt as _;

use super::{BOUNDARY, PART, Uploads, eventually, form, gateways, head, head_of, send, start_upload};
use crate::test_app::{TestApp, UPLOAD_LIMIT, read_response};

#[tokio::test]
async fn an_aborted_upload_is_never_complete() {
    for (gateway, catalog) in gateways().await {
        let uploads = Uploads::record(&catalog);
        let body = form(&[("images", Some("a"), &[7; 200_000]), ("images", Some("b"), b"b")]);
        for sent in [body.len() - 1 - 2 - 2, body.len() - 50, 100_000, 100] {
            let count = uploads.count();
            let stream = start_upload(&gateway, &body, sent).await;
            eventually("the upload starts", || uploads.count() > count).await;
            drop(stream);
            let upload = uploads.last().await;
            assert!(!upload.complete, "{sent}");
        }
    }
}

#[tokio::test]
async fn a_malformed_form_is_rejected_and_never_complete() {
    let whole = String::from_utf8(form(&[("images", Some("a"), b"data")])).unwrap();
    let data = format!("{PART}data");
    for (gateway, catalog) in gateways().await {
        let uploads = Uploads::record(&catalog);
        for body in [
            "not a form".to_owned(),
            "{}".to_owned(),
            whole.replace("--x", "--y"),
            whole.replace("--x--", "--x"),
            whole[..whole.len() - 4].to_owned(),
            format!("{data}\r\n--xyz--\r\n"),
            format!("{data}--x--\r\n"),
            data.clone(),
            "--x\r\ncontent-disposition\r\n\r\ndata\r\n--x--\r\n".to_owned(),
            "--x\r\n\r\ndata\r\n--x--\r\n".to_owned(),
            "--x\r\ncontent-type: image/png\r\n\r\ndata\r\n--x--\r\n".to_owned(),
            whole.replace("images", ""),
            whole.replace("images", "\u{0}"),
        ] {
            let response = send(&gateway, body.as_bytes()).await;
            assert!([400, 422].contains(&response.status), "{body}: {response:?}");
            assert!(response.json()["errors"][0]["field"].is_string(), "{body}: {response:?}");
        }
        assert_eq!(uploads.complete_count().await, 0);
    }
}

#[tokio::test]
async fn rejects_a_part_with_an_endless_head() {
    let gateway = TestApp::start().await;
    let uploads = Uploads::record(&gateway.catalog);
    for start in
        ["", "--x\r\nx-long: ", "--x\r\ncontent-disposition: form-data; name=\"images\"; filename=\""]
    {
        let mut stream = gateway.connect().await;
        stream.write_all(head_of(&gateway, UPLOAD_LIMIT).as_bytes()).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'a'; 1 << 20]).await.unwrap();
        // The gateway does not wait for the rest.
        assert_eq!(read_response(&mut stream).await.rejected_field(400, "malformed_request"), "body");
        assert!(!uploads.last().await.complete);
    }
}

#[tokio::test]
async fn rejects_a_too_large_upload_with_and_without_content_length() {
    let gateway = TestApp::start().await;
    let uploads = Uploads::record(&gateway.catalog);
    let mut stream = gateway.connect().await;
    stream.write_all(head_of(&gateway, UPLOAD_LIMIT + 1).as_bytes()).await.unwrap();
    read_response(&mut stream).await.problem(413, "too_large");
    assert_eq!(uploads.count(), 0);

    let body = form(&[("images", Some("a"), &vec![7; UPLOAD_LIMIT])]);
    let head = head(
        &gateway,
        &format!("content-type: multipart/form-data; boundary={BOUNDARY}\r\ntransfer-encoding: chunked\r\n"),
    );
    let chunk = format!("{:x}\r\n", body.len());
    let request = [head.as_bytes(), chunk.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    gateway.send_raw(request).await.problem(413, "too_large");
    assert!(!uploads.last().await.complete);
}
