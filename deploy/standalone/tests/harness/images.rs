//! Pictures: made, sent, and looked at.

use std::{collections::BTreeSet, io::Cursor, path::Path};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use reqwest::{
    Method,
    header::HeaderMap,
    multipart::{Form, Part},
};

use crate::harness::store::{Person, Response};

/// What a photograph of [`photograph`] says of where it was taken.
pub(crate) const PLACE: &[u8] = b"51.5074 N 0.1278 W, taken with a telephone";

/// A picture of these sides: no two places of it look the same, so that none shrinks to nothing.
fn image(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let shade = |place: u32, side: u32| u8::try_from(place * 255 / side.max(1)).unwrap_or(255);
        Rgb([shade(x, width), shade(y, height), shade(x ^ y, width.max(height) * 2)])
    })
}

/// The same, encoded.
pub(crate) fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image(width, height).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A small PNG.
pub(crate) fn png() -> Vec<u8> {
    encoded(64, 48, ImageFormat::Png)
}

/// A JPEG of 1200 x 900 pixels that tells, in Exif, where it was taken.
pub(crate) fn photograph() -> Vec<u8> {
    let plain = encoded(1200, 900, ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x0e\0\x02".to_vec();
    exif.extend(u32::try_from(PLACE.len() + 1).unwrap().to_be_bytes());
    exif.extend(b"\0\0\0\x1a\0\0\0\0");
    exif.extend(PLACE);
    exif.push(0);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    // Behind the two bytes that begin every JPEG.
    [&plain[..2], b"\xff\xe1", &length, &exif, &plain[2..]].concat()
}

/// A picture as it was found, with the headers it came with.
pub(crate) struct Found {
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Found {
    /// A header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Its pixels.
    pub(crate) fn image(&self) -> DynamicImage {
        image::load_from_memory(&self.bytes).unwrap()
    }

    /// Whether its bytes have these somewhere.
    pub(crate) fn contains(&self, part: &[u8]) -> bool {
        self.bytes.windows(part.len()).any(|window| window == part)
    }
}

/// A file to send: named and called anything, for that does not matter.
pub(crate) fn file(bytes: &[u8]) -> Part {
    Part::bytes(bytes.to_vec()).file_name("../picture.txt").mime_str("text/plain").unwrap()
}

impl Person {
    /// Adds pictures to a product.
    pub(crate) async fn add_images(&self, product: i64, pictures: &[&[u8]]) -> Response {
        let form = pictures.iter().fold(Form::new(), |form, picture| form.part("images", file(picture)));
        let path = format!("/api/products/{product}/images");
        self.send(self.request(Method::POST, &path).multipart(form)).await
    }

    /// Shows a picture of oneself.
    pub(crate) async fn set_avatar(&self, picture: &[u8]) -> Response {
        let form = Form::new().part("image", file(picture));
        self.send(self.request(Method::PUT, "/api/users/me/avatar").multipart(form)).await
    }

    /// What is found under the URL of a picture.
    pub(crate) async fn look_at(&self, url: &str) -> Found {
        let answer = self.request(Method::GET, url).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        Found { headers: answer.headers().clone(), bytes: answer.bytes().await.unwrap().into() }
    }
}

/// The files of a directory and of those within it.
pub(crate) fn files(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    let names = |path: std::path::PathBuf| match path.is_dir() {
        true => files(&path),
        false => BTreeSet::from([path.file_name().unwrap().to_str().unwrap().to_owned()]),
    };
    entries.flat_map(names).collect()
}
