//! The small ones.

use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};

use crate::pictures::{QUARTERS, assert_shows, file, media, quarters, take_in};

#[tokio::test]
async fn a_thumbnail_keeps_the_shape_within_400_pixels() {
    for (size, expected) in [
        ((401, 100), (400, 100)),
        ((600, 1200), (200, 400)),
        ((1601, 1000), (400, 250)),
        ((3000, 2000), (400, 267)),
        ((8000, 2), (400, 1)),
        ((1, 5000), (1, 400)),
    ] {
        let picture = take_in(&media(), &file(&quarters(size.0, size.1), ImageFormat::Jpeg)).await.unwrap();
        assert_eq!((picture.width, picture.height), size);
        let thumbnail = image::load_from_memory(&picture.thumbnail).unwrap();
        assert_eq!((thumbnail.width(), thumbnail.height()), expected, "of {size:?}");
        if size.0.min(size.1) > 2 {
            assert_shows(&picture, QUARTERS);
        }
    }
}

#[tokio::test]
async fn a_small_picture_is_its_own_thumbnail() {
    for size in [(400, 400), (1, 1), (20, 300)] {
        let picture = take_in(&media(), &file(&quarters(size.0, size.1), ImageFormat::Png)).await.unwrap();
        assert_eq!(picture.thumbnail, picture.original, "{size:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_seen_does_not_bleed_into_what_can() {
    for size in [1000, 2000] {
        // Stripes of grey, and of a red that nobody sees.
        let image = RgbaImage::from_fn(size, size, |x, _| {
            if x % 2 == 0 { Rgba([100, 100, 100, 255]) } else { Rgba([250, 0, 0, 0]) }
        });
        let image = DynamicImage::from(image);
        let picture = take_in(&media(), &file(&image, ImageFormat::Png)).await.unwrap();
        let thumbnail = image::load_from_memory(&picture.thumbnail).unwrap().into_rgba8();
        for pixel in thumbnail.pixels() {
            let [colours @ .., alpha] = pixel.0;
            assert!(alpha > 64 && colours.iter().all(|&channel| channel.abs_diff(100) < 4), "{pixel:?}");
        }
    }
}
