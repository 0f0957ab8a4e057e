//! Uploads are forwarded while they are received, and an aborted upload never looks complete.

mod early_rejection;
mod forwarding;
mod incomplete;
mod timeouts;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bodega_proto::catalog::v1::{
    AddProductImagesRequest, AddProductImagesResponse, Product, add_product_images_request::Part,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};
use tonic::{Status, Streaming};

use crate::{
    fake_service::FakeService,
    test_app::{TestApp, TestResponse},
};

const BOUNDARY: &str = "x";
/// The start of a form.
const PART: &str = "--x\r\ncontent-disposition: form-data; name=\"images\"; filename=\"a\"\r\n\r\n";
/// Maximum size of a chunk in a message.
const MAX_CHUNK: usize = 64 * 1024;

/// A form of parts, each with name, file name and data.
pub(crate) fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file_name, data) in parts {
        let file_name = file_name.map(|file_name| format!("; filename=\"{file_name}\"")).unwrap_or_default();
        let head =
            format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n");
        body.extend([head.as_bytes(), data, b"\r\n"].concat());
    }
    body.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// The part of an upload that catalog has received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) product: Option<i32>,
    pub(crate) images: Vec<Vec<u8>>,
    /// Whether the final message was received.
    pub(crate) complete: bool,
    /// Whether the call has ended.
    ended: bool,
}

/// All uploads that catalog has received, in the order of their start.
#[derive(Clone, Default)]
pub(crate) struct Uploads(Arc<Mutex<Vec<Upload>>>);

impl Uploads {
    /// Records every upload to this catalog.
    pub(crate) fn record(catalog: &FakeService) -> Self {
        let uploads = Self::default();
        let recorder = uploads.clone();
        catalog.on_stream("AddProductImages", move |stream| recorder.start().receive(stream));
        uploads
    }

    fn start(&self) -> Recorder {
        let mut uploads = self.0.lock().unwrap();
        uploads.push(Upload::default());
        Recorder { uploads: self.clone(), index: uploads.len() - 1 }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The number of complete uploads, once all have ended.
    async fn complete_count(&self) -> usize {
        let all_ended = || self.0.lock().unwrap().iter().all(|upload| upload.ended);
        eventually("every upload ends", all_ended).await;
        self.0.lock().unwrap().iter().filter(|upload| upload.complete).count()
    }

    /// The latest upload, once it has ended.
    pub(crate) async fn last(&self) -> Upload {
        let last = || self.0.lock().unwrap().last().cloned().filter(|upload| upload.ended);
        eventually("the upload ends", || last().is_some()).await;
        last().unwrap()
    }
}

/// Waits until a condition holds.
async fn eventually(condition: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), waiting).await.expect(condition);
}

/// Records one upload until it is dropped.
struct Recorder {
    uploads: Uploads,
    index: usize,
}

impl Recorder {
    fn update(&self, update: impl FnOnce(&mut Upload)) {
        update(&mut self.uploads.0.lock().unwrap()[self.index]);
    }

    async fn receive(
        self,
        mut stream: Streaming<AddProductImagesRequest>,
    ) -> Result<AddProductImagesResponse, Status> {
        while let Some(message) = stream.message().await? {
            let part = message.part.unwrap();
            if let Part::Chunk(chunk) = &part {
                assert!((1..=MAX_CHUNK).contains(&chunk.len()), "{}", chunk.len());
            }
            self.update(|upload| match part {
                Part::ProductId(id) => upload.product = Some(id),
                Part::Image(_) => upload.images.push(Vec::new()),
                Part::Chunk(chunk) => upload.images.last_mut().unwrap().extend(chunk),
                Part::End(_) => upload.complete = true,
            });
        }
        let mut product = None;
        self.update(|upload| product = upload.product);
        let id = product.ok_or(Status::internal("an upload without a product"))?;
        Ok(AddProductImagesResponse { product: Some(Product { id, ..Product::default() }) })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.update(|upload| upload.ended = true);
    }
}

/// Gateways whose catalog is in the same process, and in another process.
async fn gateways() -> [(TestApp, FakeService); 2] {
    let local = TestApp::start().await;
    let catalog = local.catalog.clone();
    let remote_catalog = FakeService::default();
    let transport = remote_catalog.remote("catalog").await;
    let remote = TestApp::start_with(|_, upstreams| upstreams.catalog = transport).await;
    [(local, catalog), (remote, remote_catalog)]
}

/// The head of an upload by an admin to product 3, with additional headers.
fn head(gateway: &TestApp, headers: &str) -> String {
    format!(
        "POST /api/products/3/images HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\
         authorization: Bearer {}\r\n{headers}\r\n",
        gateway.identity.admin()
    )
}

/// The head of an upload with this content length.
fn head_of(gateway: &TestApp, len: usize) -> String {
    head(
        gateway,
        &format!("content-type: multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {len}\r\n"),
    )
}

async fn send(gateway: &TestApp, body: &[u8]) -> TestResponse {
    gateway.send_raw([head_of(gateway, body.len()).as_bytes(), body].concat()).await
}

/// Starts an upload and sends the first bytes of the body.
async fn start_upload(gateway: &TestApp, body: &[u8], sent: usize) -> TcpStream {
    let mut stream = gateway.connect().await;
    stream.write_all(head_of(gateway, body.len()).as_bytes()).await.unwrap();
    stream.write_all(&body[..sent]).await.unwrap();
    stream
}
