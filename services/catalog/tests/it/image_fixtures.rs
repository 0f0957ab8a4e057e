//! Pictures to add to products, and what the storage has of them.

use std::{collections::BTreeSet, io::Cursor, path::Path, time::Duration};

use bodega_proto::catalog::v1::{
    AddProductImagesRequest, ImageStart, Product, RemoveProductImageRequest, UploadEnd,
    add_product_images_request::Part,
};
use futures_util::stream;
use image::{ImageFormat, Rgb, RgbImage};
use tokio::time::{Instant, sleep};
use tonic::Status;

use crate::test_catalog::Shop;

/// A square PNG, so many pixels wide, of one colour.
pub(crate) fn png(width: u32, shade: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(width, width, Rgb([shade, 0, 0])).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// So many pictures, each of a shade of its own.
pub(crate) fn pngs(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|shade| png(8, shade)).collect()
}

fn part(part: Part) -> AddProductImagesRequest {
    AddProductImagesRequest { part: Some(part) }
}

pub(crate) fn product_id(id: i32) -> AddProductImagesRequest {
    part(Part::ProductId(id))
}

pub(crate) fn begin() -> AddProductImagesRequest {
    part(Part::Image(ImageStart {}))
}

pub(crate) fn chunk(bytes: &[u8]) -> AddProductImagesRequest {
    part(Part::Chunk(bytes.to_vec()))
}

pub(crate) fn end() -> AddProductImagesRequest {
    part(Part::End(UploadEnd {}))
}

/// A picture of an upload.
pub(crate) fn picture(bytes: &[u8]) -> Vec<AddProductImagesRequest> {
    [begin()].into_iter().chain(bytes.chunks(64 * 1024).map(chunk)).collect()
}

/// A whole upload.
pub(crate) fn upload(product: i32, pictures: &[Vec<u8>]) -> Vec<AddProductImagesRequest> {
    let pictures = pictures.iter().flat_map(|bytes| picture(bytes));
    [product_id(product)].into_iter().chain(pictures).chain([end()]).collect()
}

pub(crate) fn urls(product: &Product) -> Vec<&str> {
    product.images.iter().map(|image| image.url.as_str()).collect()
}

/// The files that a product shows.
pub(crate) fn files_of(product: &Product) -> BTreeSet<String> {
    let links = product.images.iter().flat_map(|image| [&image.url, &image.thumbnail_url]);
    links.map(|link| file(link)).collect()
}

/// What the storage keeps under a link.
fn file(link: &str) -> String {
    link.strip_prefix("/media/").unwrap().to_owned()
}

pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

impl Shop {
    pub(crate) async fn send(&self, parts: Vec<AddProductImagesRequest>) -> Result<Product, Status> {
        let response = self.admin().add_product_images(stream::iter(parts)).await?;
        Ok(response.into_inner().product.unwrap())
    }

    pub(crate) async fn add_images(&self, product: i32, pictures: &[Vec<u8>]) -> Result<Product, Status> {
        self.send(upload(product, pictures)).await
    }

    pub(crate) async fn remove_image(&self, product_id: i32, image_id: i64) -> Result<(), Status> {
        let request = RemoveProductImageRequest { product_id, image_id };
        self.admin().remove_product_image(request).await.map(drop)
    }

    /// The shade of the picture that the storage has under a link.
    pub(crate) fn shade(&self, link: &str) -> u8 {
        let bytes = std::fs::read(self.storage().join(file(link))).unwrap();
        image::load_from_memory(&bytes).unwrap().to_rgb8().get_pixel(0, 0).0[0]
    }

    /// All files of the storage.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let root = self.storage();
        let mut files = BTreeSet::new();
        list(&root, &root, &mut files);
        files
    }

    /// The files that products show, archived ones included.
    pub(crate) async fn shown(&self) -> BTreeSet<String> {
        let links: Vec<String> = sqlx::query_scalar(
            "select unnest(array[url, thumbnail_url]) from catalog.product_images where stored_image_key is not null",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        links.iter().map(|link| file(link)).collect()
    }

    /// Makes an hour pass for whatever no product shows.
    pub(crate) async fn an_hour_later(&self) {
        sqlx::query("update catalog.stored_images set delete_after = delete_after - interval '1 hour'")
            .execute(&self.db)
            .await
            .unwrap();
    }

    /// Waits until all that is due has been swept.
    pub(crate) async fn swept(&self) {
        // Whoever starts looks at once; the others may in a second.
        let _another = self.replica().await;
        let due = "select count(*) from catalog.stored_images where delete_after <= now() or attempts > 0";
        until("what is due is swept", async || self.number(due).await == 0).await;
    }

    /// The number that a query asks for.
    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.db).await.unwrap()
    }

    /// How many statements wait for a lock.
    pub(crate) async fn waiting(&self) -> i64 {
        self.number(
            "select count(*) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .await
    }

    /// Makes the storage fail, whatever it is asked to do, until [`Shop::mend_storage`].
    pub(crate) fn break_storage(&self) {
        let root = self.storage();
        if root.exists() {
            std::fs::rename(&root, root.with_extension("away")).unwrap();
        }
        // Where a directory should be.
        std::fs::write(&root, b"").unwrap();
    }

    pub(crate) fn mend_storage(&self) {
        let root = self.storage();
        std::fs::remove_file(&root).unwrap();
        if root.with_extension("away").exists() {
            std::fs::rename(root.with_extension("away"), &root).unwrap();
        }
    }
}

fn list(root: &Path, directory: &Path, files: &mut BTreeSet<String>) {
    // Made with the first picture.
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            list(root, &path, files);
        } else {
            files.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}
