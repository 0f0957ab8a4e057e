//! Test images: four quarters in four colors, in every format.
//!
//! The files in `fixtures/` are the same image at 48 x 32, written by Pillow 13 in variants that the `image` crate cannot
//! write. Those with alpha have a transparent fourth quarter, the animated ones a black second frame.

use std::{io::Cursor, path::Path};

use bodega_media::{EncodedImage, ImageKey, Media, MediaArgs, Rejected};
use clap::Parser;
use image::{DynamicImage, ImageFormat, RgbImage};
use uuid::Uuid;

pub(crate) type Color = [u8; 3];

pub(crate) const RED: Color = [255, 0, 0];
pub(crate) const GREEN: Color = [0, 128, 0];
pub(crate) const BLUE: Color = [0, 0, 255];
pub(crate) const WHITE: Color = [255, 255, 255];
/// Top left, top right, bottom left, bottom right.
pub(crate) const QUARTERS: [Color; 4] = [RED, GREEN, BLUE, WHITE];

pub(crate) fn quarters(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| {
        let quarter = usize::from(x >= width / 2) + 2 * usize::from(y >= height / 2);
        QUARTERS[quarter].into()
    })
    .into()
}

/// An image that no format compresses well: each pixel has another color.
pub(crate) fn noise(width: u32, height: u32) -> DynamicImage {
    let mut state = 1_u32;
    RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [_, red, green, blue] = state.to_le_bytes();
        [red, green, blue].into()
    })
    .into()
}

pub(crate) fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_to(Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// Encodes an image in each format.
pub(crate) fn files(image: &DynamicImage) -> [Vec<u8>; 4] {
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif]
        .map(|format| file(image, format))
}

/// Returns media with the default limits and a storage that is not used.
pub(crate) fn media() -> Media {
    Media::local(Path::new("unused"))
}

/// Uploads and encodes a file.
pub(crate) async fn encode(media: &Media, bytes: &[u8]) -> Result<EncodedImage, Rejected> {
    let mut upload = media.upload();
    for chunk in bytes.chunks(64 << 10) {
        upload.push(chunk)?;
    }
    media.encode(upload).await
}

/// The image with four quarters, encoded.
pub(crate) async fn encoded_image() -> EncodedImage {
    encode(&media(), &file(&quarters(500, 300), ImageFormat::Jpeg)).await.unwrap()
}

/// Returns a new key for an image.
pub(crate) fn key(image: &EncodedImage) -> ImageKey {
    ImageKey { folder: "products".to_owned(), id: Uuid::now_v7(), format: image.format }
}

/// Returns the color in the middle of each quarter.
pub(crate) fn colors(bytes: &[u8]) -> [Color; 4] {
    let image = image::load_from_memory(bytes).unwrap().into_rgb8();
    let (width, height) = image.dimensions();
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| image.get_pixel(width * x / 4, height * y / 4).0)
}

/// Asserts that image and thumbnail have these colors, up to the loss of a JPEG.
pub(crate) fn assert_shows(image: &EncodedImage, expected: [Color; 4]) {
    for bytes in [&image.original, &image.thumbnail] {
        let shown = colors(bytes);
        let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 12;
        assert!(shown.iter().flatten().zip(expected.iter().flatten()).all(near), "{shown:?}");
    }
}

/// Parses command line arguments.
pub(crate) fn args(arguments: &[&str]) -> Result<MediaArgs, clap::Error> {
    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        media: MediaArgs,
    }
    Cli::try_parse_from([&["test"], arguments].concat()).map(|cli| cli.media)
}
