//! Creates, uploads and fetches images.

use std::{collections::BTreeSet, io::Cursor, path::Path};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use reqwest::{
    Method,
    header::HeaderMap,
    multipart::{Form, Part},
};

use crate::harness::store::{Client, Response};

/// The location in the Exif data of [`photo_with_location`].
pub(crate) const LOCATION: &[u8] = b"51.5074 N 0.1278 W, taken with a telephone";

/// An image of this size, with a gradient.
fn image(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let shade = |place: u32, side: u32| u8::try_from(place * 255 / side.max(1)).unwrap_or(255);
        Rgb([shade(x, width), shade(y, height), shade(x ^ y, width.max(height) * 2)])
    })
}

/// Encodes an image of this size.
pub(crate) fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image(width, height).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A small PNG.
pub(crate) fn png() -> Vec<u8> {
    encoded(64, 48, ImageFormat::Png)
}

/// A JPEG of 1200 x 900 pixels with a location in its Exif data.
pub(crate) fn photo_with_location() -> Vec<u8> {
    let plain = encoded(1200, 900, ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x0e\0\x02".to_vec();
    exif.extend(u32::try_from(LOCATION.len() + 1).unwrap().to_be_bytes());
    exif.extend(b"\0\0\0\x1a\0\0\0\0");
    exif.extend(LOCATION);
    exif.push(0);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    // After the two bytes that start every JPEG.
    [&plain[..2], b"\xff\xe1", &length, &exif, &plain[2..]].concat()
}

/// A fetched image with its response headers.
pub(crate) struct FetchedImage {
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl FetchedImage {
    /// The value of a header, or an empty string.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Decodes the image.
    pub(crate) fn image(&self) -> DynamicImage {
        image::load_from_memory(&self.bytes).unwrap()
    }

    /// Whether the file contains these bytes.
    pub(crate) fn contains(&self, part: &[u8]) -> bool {
        self.bytes.windows(part.len()).any(|window| window == part)
    }
}

/// A form part with a misleading name and type, which must not matter.
pub(crate) fn file(bytes: &[u8]) -> Part {
    Part::bytes(bytes.to_vec()).file_name("../image.txt").mime_str("text/plain").unwrap()
}

impl Client {
    /// Uploads images of a product.
    pub(crate) async fn add_images(&self, product: i64, images: &[&[u8]]) -> Response {
        let form = images.iter().fold(Form::new(), |form, image| form.part("images", file(image)));
        let path = format!("/api/products/{product}/images");
        self.send(self.request(Method::POST, &path).multipart(form)).await
    }

    /// Uploads an avatar.
    pub(crate) async fn set_avatar(&self, image: &[u8]) -> Response {
        let form = Form::new().part("image", file(image));
        self.send(self.request(Method::PUT, "/api/users/me/avatar").multipart(form)).await
    }

    /// Fetches an image by its URL.
    pub(crate) async fn fetch_image(&self, url: &str) -> FetchedImage {
        let response = self.request(Method::GET, url).send().await.unwrap();
        assert_eq!(response.status(), 200, "{url}");
        FetchedImage { headers: response.headers().clone(), bytes: response.bytes().await.unwrap().into() }
    }
}

/// The names of all files below a directory.
pub(crate) fn files(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    let names = |path: std::path::PathBuf| match path.is_dir() {
        true => files(&path),
        false => BTreeSet::from([path.file_name().unwrap().to_str().unwrap().to_owned()]),
    };
    entries.flat_map(names).collect()
}
