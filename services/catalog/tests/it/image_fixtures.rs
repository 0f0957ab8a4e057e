//! Images to upload, and the files in the storage.

use std::{collections::BTreeSet, io::Cursor, path::Path, time::Duration};

use bodega_proto::catalog::v1::{
    AddProductImagesRequest, ImageStart, Product, RemoveProductImageRequest, UploadEnd,
    add_product_images_request::Part,
};
use futures_util::stream;
use image::{ImageFormat, Rgb, RgbImage};
use tokio::time::{Instant, sleep};
use tonic::Status;

use crate::test_app::TestApp;

/// A square PNG of one color; `width` is in pixels.
pub(crate) fn png(width: u32, shade: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(width, width, Rgb([shade, 0, 0])).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Images of different shades.
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

/// The messages of one image.
pub(crate) fn image_parts(bytes: &[u8]) -> Vec<AddProductImagesRequest> {
    [begin()].into_iter().chain(bytes.chunks(64 * 1024).map(chunk)).collect()
}

/// The messages of a complete upload.
pub(crate) fn upload(product: i32, images: &[Vec<u8>]) -> Vec<AddProductImagesRequest> {
    let images = images.iter().flat_map(|bytes| image_parts(bytes));
    [product_id(product)].into_iter().chain(images).chain([end()]).collect()
}

pub(crate) fn urls(product: &Product) -> Vec<&str> {
    product.images.iter().map(|image| image.url.as_str()).collect()
}

/// The files of a product's images.
pub(crate) fn files_of(product: &Product) -> BTreeSet<String> {
    let urls = product.images.iter().flat_map(|image| [&image.url, &image.thumbnail_url]);
    urls.map(|url| file(url)).collect()
}

/// The path of a file in the storage.
fn file(url: &str) -> String {
    url.strip_prefix("/media/").unwrap().to_owned()
}

pub(crate) async fn wait_until(condition: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(20), "timed out waiting until {condition}");
        sleep(Duration::from_millis(10)).await;
    }
}

impl TestApp {
    pub(crate) async fn send(&self, parts: Vec<AddProductImagesRequest>) -> Result<Product, Status> {
        let response = self.admin().add_product_images(stream::iter(parts)).await?;
        Ok(response.into_inner().product.unwrap())
    }

    pub(crate) async fn add_images(&self, product: i32, images: &[Vec<u8>]) -> Result<Product, Status> {
        self.send(upload(product, images)).await
    }

    pub(crate) async fn remove_image(&self, product_id: i32, image_id: i64) -> Result<(), Status> {
        let request = RemoveProductImageRequest { product_id, image_id };
        self.admin().remove_product_image(request).await.map(drop)
    }

    /// Reads the shade of an image from the storage.
    pub(crate) fn shade(&self, url: &str) -> u8 {
        let bytes = std::fs::read(self.storage().join(file(url))).unwrap();
        image::load_from_memory(&bytes).unwrap().to_rgb8().get_pixel(0, 0).0[0]
    }

    /// Returns all files in the storage.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let root = self.storage();
        let mut files = BTreeSet::new();
        list(&root, &root, &mut files);
        files
    }

    /// Returns the files of the images of all products, archived ones included.
    pub(crate) async fn referenced_files(&self) -> BTreeSet<String> {
        let urls: Vec<String> = sqlx::query_scalar(
            "select unnest(array[url, thumbnail_url]) from catalog.product_images where stored_image_key is not null",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        urls.iter().map(|url| file(url)).collect()
    }

    /// Moves the end of the retention of unused images into the past.
    pub(crate) async fn expire_unused_images(&self) {
        sqlx::query("update catalog.stored_images set delete_after = delete_after - interval '1 hour'")
            .execute(&self.db)
            .await
            .unwrap();
    }

    /// Waits until no more files are written: writes of dropped calls continue on blocking threads.
    pub(crate) async fn wait_for_background_writes(&self) {
        let mut files = self.files();
        loop {
            sleep(Duration::from_millis(500)).await;
            let now = self.files();
            if now == files {
                return;
            }
            files = now;
        }
    }

    /// Waits until all images whose retention has ended are deleted.
    pub(crate) async fn wait_for_cleanup(&self) {
        // A replica runs the cleanup when it starts; the others may wait for their next interval.
        let _replica = self.replica().await;
        let due = "select count(*) from catalog.stored_images where delete_after <= now() or attempts > 0";
        wait_until("due images are deleted", async || self.number(due).await == 0).await;
    }

    /// Executes a query that returns a number.
    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.db).await.unwrap()
    }

    /// Counts the statements that wait for a lock.
    pub(crate) async fn blocked_statements(&self) -> i64 {
        self.number(
            "select count(*) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .await
    }

    /// Makes every operation of the storage fail until [`TestApp::repair_storage`].
    pub(crate) fn break_storage(&self) {
        let root = self.storage();
        if root.exists() {
            std::fs::rename(&root, root.with_extension("away")).unwrap();
        }
        // A file in place of the directory.
        std::fs::write(&root, b"").unwrap();
    }

    pub(crate) fn repair_storage(&self) {
        let root = self.storage();
        std::fs::remove_file(&root).unwrap();
        if root.with_extension("away").exists() {
            std::fs::rename(root.with_extension("away"), &root).unwrap();
        }
    }
}

fn list(root: &Path, directory: &Path, files: &mut BTreeSet<String>) {
    // Created with the first image.
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            list(root, &path, files);
        } else {
            files.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}
