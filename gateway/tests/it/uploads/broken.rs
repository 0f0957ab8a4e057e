//! What is not a whole form is refused, and its service never takes it for one.

use tokio::io::AsyncWriteExt as _;

use super::{BOUNDARY, PART, Uploads, begin, eventually, form, head, head_of, send, shops};
use crate::shop::{Shop, UPLOAD_LIMIT, read_answer};

#[tokio::test]
async fn an_upload_that_breaks_off_is_never_whole() {
    for (shop, catalog) in shops().await {
        let uploads = Uploads::taken_by(&catalog);
        let body = form(&[("images", Some("a"), &[7; 200_000]), ("images", Some("b"), b"b")]);
        for sent in [body.len() - 1 - 2 - 2, body.len() - 50, 100_000, 100] {
            let begun = uploads.count();
            let stream = begin(&shop, &body, sent).await;
            eventually("an upload begins", || uploads.count() > begun).await;
            drop(stream);
            let upload = uploads.last().await;
            assert!(!upload.whole, "{sent}");
        }
    }
}

#[tokio::test]
async fn what_is_no_form_is_refused_and_never_whole() {
    let whole = String::from_utf8(form(&[("images", Some("a"), b"data")])).unwrap();
    let data = format!("{PART}data");
    for (shop, catalog) in shops().await {
        let uploads = Uploads::taken_by(&catalog);
        for body in [
            "nothing of the kind".to_owned(),
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
            let answer = send(&shop, body.as_bytes()).await;
            assert!([400, 422].contains(&answer.status), "{body}: {answer:?}");
            assert!(answer.json()["errors"][0]["field"].is_string(), "{body}: {answer:?}");
        }
        assert_eq!(uploads.whole().await, 0);
    }
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_read_to_its_end() {
    let shop = Shop::open().await;
    let uploads = Uploads::taken_by(&shop.catalog);
    for begin in
        ["", "--x\r\nx-long: ", "--x\r\ncontent-disposition: form-data; name=\"images\"; filename=\""]
    {
        let mut stream = shop.connect().await;
        stream.write_all(head_of(&shop, UPLOAD_LIMIT).as_bytes()).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'a'; 1 << 20]).await.unwrap();
        // More of it could come, and is not waited for.
        assert_eq!(read_answer(&mut stream).await.refused_field(400, "malformed_request"), "body");
        assert!(!uploads.last().await.whole);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_however_it_is_sent() {
    let shop = Shop::open().await;
    let uploads = Uploads::taken_by(&shop.catalog);
    let mut stream = shop.connect().await;
    stream.write_all(head_of(&shop, UPLOAD_LIMIT + 1).as_bytes()).await.unwrap();
    read_answer(&mut stream).await.problem(413, "too_large");
    assert_eq!(uploads.count(), 0);

    let body = form(&[("images", Some("a"), &vec![7; UPLOAD_LIMIT])]);
    let head = head(
        &shop,
        &format!("content-type: multipart/form-data; boundary={BOUNDARY}\r\ntransfer-encoding: chunked\r\n"),
    );
    let chunk = format!("{:x}\r\n", body.len());
    let request = [head.as_bytes(), chunk.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    shop.send_raw(request).await.problem(413, "too_large");
    assert!(!uploads.last().await.whole);
}
