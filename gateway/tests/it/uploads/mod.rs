//! Uploads go on to their service while they come in, and not one that broke off is taken for a whole one.

mod broken;
mod early;
mod slow;
mod whole;

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
    fakes::Fake,
    shop::{Answer, Shop},
};

const BOUNDARY: &str = "x";
/// The begin of a form.
const PART: &str = "--x\r\ncontent-disposition: form-data; name=\"images\"; filename=\"a\"\r\n\r\n";
/// The most that a message may carry.
const MAX_CHUNK: usize = 64 * 1024;

/// A form of these parts: name, file name, data.
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

/// What the catalog heard of one upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) product: Option<i32>,
    pub(crate) pictures: Vec<Vec<u8>>,
    /// Whether it was told that nothing is missing.
    pub(crate) whole: bool,
    /// Whether there is anything more to hear.
    over: bool,
}

/// What the catalog heard of the uploads so far, in the order they began.
#[derive(Clone, Default)]
pub(crate) struct Uploads(Arc<Mutex<Vec<Upload>>>);

impl Uploads {
    /// Has a catalog take every upload.
    pub(crate) fn taken_by(catalog: &Fake) -> Self {
        let uploads = Self::default();
        let heard = uploads.clone();
        catalog.on_stream("AddProductImages", move |stream| heard.begin().take(stream));
        uploads
    }

    fn begin(&self) -> Listener {
        let mut uploads = self.0.lock().unwrap();
        uploads.push(Upload::default());
        Listener { uploads: self.clone(), index: uploads.len() - 1 }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// How many of them were whole, once there is nothing more to hear of any.
    async fn whole(&self) -> usize {
        let over = || self.0.lock().unwrap().iter().all(|upload| upload.over);
        eventually("every upload is over", over).await;
        self.0.lock().unwrap().iter().filter(|upload| upload.whole).count()
    }

    /// The latest, once there is nothing more to hear of it.
    pub(crate) async fn last(&self) -> Upload {
        let last = || self.0.lock().unwrap().last().cloned().filter(|upload| upload.over);
        eventually("an upload is over", || last().is_some()).await;
        last().unwrap()
    }
}

/// Waits until it is so.
async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), waiting).await.expect(what);
}

/// Hears of one upload, until it is dropped.
struct Listener {
    uploads: Uploads,
    index: usize,
}

impl Listener {
    fn note(&self, note: impl FnOnce(&mut Upload)) {
        note(&mut self.uploads.0.lock().unwrap()[self.index]);
    }

    async fn take(
        self,
        mut stream: Streaming<AddProductImagesRequest>,
    ) -> Result<AddProductImagesResponse, Status> {
        while let Some(message) = stream.message().await? {
            let part = message.part.unwrap();
            if let Part::Chunk(chunk) = &part {
                assert!((1..=MAX_CHUNK).contains(&chunk.len()), "{}", chunk.len());
            }
            self.note(|upload| match part {
                Part::ProductId(id) => upload.product = Some(id),
                Part::Image(_) => upload.pictures.push(Vec::new()),
                Part::Chunk(chunk) => upload.pictures.last_mut().unwrap().extend(chunk),
                Part::End(_) => upload.whole = true,
            });
        }
        let mut product = None;
        self.note(|upload| product = upload.product);
        let id = product.ok_or(Status::internal("an upload to no product"))?;
        Ok(AddProductImagesResponse { product: Some(Product { id, ..Product::default() }) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.note(|upload| upload.over = true);
    }
}

/// Shops whose catalog is in the same process, and in another.
async fn shops() -> [(Shop, Fake); 2] {
    let near = Shop::open().await;
    let catalog = near.catalog.clone();
    let far_catalog = Fake::default();
    let way = far_catalog.remote("catalog").await;
    let far = Shop::open_with(|_, upstreams| upstreams.catalog = way).await;
    [(near, catalog), (far, far_catalog)]
}

/// The head of an admin's upload to product 3, with more headers.
fn head(shop: &Shop, headers: &str) -> String {
    format!(
        "POST /api/products/3/images HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\
         authorization: Bearer {}\r\n{headers}\r\n",
        shop.identity.admin()
    )
}

/// The head of one that has so many bytes.
fn head_of(shop: &Shop, len: usize) -> String {
    head(
        shop,
        &format!("content-type: multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {len}\r\n"),
    )
}

async fn send(shop: &Shop, body: &[u8]) -> Answer {
    shop.send_raw([head_of(shop, body.len()).as_bytes(), body].concat()).await
}

/// Begins an upload of the body and sends so much of it.
async fn begin(shop: &Shop, body: &[u8], sent: usize) -> TcpStream {
    let mut stream = shop.connect().await;
    stream.write_all(head_of(shop, body.len()).as_bytes()).await.unwrap();
    stream.write_all(&body[..sent]).await.unwrap();
    stream
}
