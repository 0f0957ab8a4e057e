//! Pictures to try things with: four quarters in four colours, in every format.
//!
//! Those in `fixtures/` are the same at 48 x 32, written by another program (Pillow 13) in the ways that `image` cannot
//! write; where alpha is in the name, without the fourth quarter, and where they are animated, with a black second
//! picture.

use std::{io::Cursor, path::Path};

use bodega_media::{EncodedImage, ImageKey, Media, MediaArgs, Rejected};
use clap::Parser;
use image::{DynamicImage, ImageFormat, RgbImage};
use uuid::Uuid;

pub(crate) type Colour = [u8; 3];

pub(crate) const RED: Colour = [255, 0, 0];
pub(crate) const GREEN: Colour = [0, 128, 0];
pub(crate) const BLUE: Colour = [0, 0, 255];
pub(crate) const WHITE: Colour = [255, 255, 255];
/// From left to right, then the lower two.
pub(crate) const QUARTERS: [Colour; 4] = [RED, GREEN, BLUE, WHITE];

/// Four quarters.
pub(crate) fn quarters(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| {
        let quarter = usize::from(x >= width / 2) + 2 * usize::from(y >= height / 2);
        QUARTERS[quarter].into()
    })
    .into()
}

/// What no format packs well: every pixel another colour.
pub(crate) fn noise(width: u32, height: u32) -> DynamicImage {
    let mut state = 1_u32;
    RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [_, red, green, blue] = state.to_le_bytes();
        [red, green, blue].into()
    })
    .into()
}

/// As a file.
pub(crate) fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_to(Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// As a file of each format.
pub(crate) fn files(image: &DynamicImage) -> [Vec<u8>; 4] {
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif]
        .map(|format| file(image, format))
}

/// With the default bounds, and a storage that is not used.
pub(crate) fn media() -> Media {
    Media::local(Path::new("unused"))
}

/// What becomes of an upload.
pub(crate) async fn take_in(media: &Media, bytes: &[u8]) -> Result<EncodedImage, Rejected> {
    let mut upload = media.upload().await?;
    for chunk in bytes.chunks(64 << 10) {
        upload.push(chunk)?;
    }
    media.encode(upload).await
}

/// The picture with four quarters.
pub(crate) async fn picture() -> EncodedImage {
    take_in(&media(), &file(&quarters(500, 300), ImageFormat::Jpeg)).await.unwrap()
}

/// A fresh key for a picture.
pub(crate) fn key(picture: &EncodedImage) -> ImageKey {
    ImageKey { folder: "products".to_owned(), id: Uuid::now_v7(), format: picture.format }
}

/// The colour in the middle of each quarter.
pub(crate) fn colours(bytes: &[u8]) -> [Colour; 4] {
    let image = image::load_from_memory(bytes).unwrap().into_rgb8();
    let (width, height) = image.dimensions();
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| image.get_pixel(width * x / 4, height * y / 4).0)
}

/// That both show these colours, as exactly as a JPEG can.
pub(crate) fn assert_shows(picture: &EncodedImage, expected: [Colour; 4]) {
    for bytes in [&picture.original, &picture.thumbnail] {
        let shown = colours(bytes);
        let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 12;
        assert!(shown.iter().flatten().zip(expected.iter().flatten()).all(near), "{shown:?}");
    }
}

/// The arguments as a command line gives them.
pub(crate) fn args(arguments: &[&str]) -> Result<MediaArgs, clap::Error> {
    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        media: MediaArgs,
    }
    Cli::try_parse_from([&["test"], arguments].concat()).map(|cli| cli.media)
}
