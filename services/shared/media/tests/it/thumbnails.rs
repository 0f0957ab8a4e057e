//! Thumbnails.

use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};

use crate::images::{QUARTERS, assert_shows, encode, file, media, quarters};

#[tokio::test]
async fn scales_to_400_pixels_and_keeps_the_aspect_ratio() {
    for (size, expected) in [
        ((401, 100), (400, 100)),
        ((600, 1200), (200, 400)),
        ((1601, 1000), (400, 250)),
        ((3000, 2000), (400, 267)),
        ((8000, 2), (400, 1)),
        ((1, 5000), (1, 400)),
    ] {
        let image = encode(&media(), &file(&quarters(size.0, size.1), ImageFormat::Jpeg)).await.unwrap();
        assert_eq!((image.width, image.height), size);
        let thumbnail = image::load_from_memory(&image.thumbnail).unwrap();
        assert_eq!((thumbnail.width(), thumbnail.height()), expected, "of {size:?}");
        if size.0.min(size.1) > 2 {
            assert_shows(&image, QUARTERS);
        }
    }
}

#[tokio::test]
async fn uses_a_small_image_as_its_own_thumbnail() {
    for size in [(400, 400), (1, 1), (20, 300)] {
        let image = encode(&media(), &file(&quarters(size.0, size.1), ImageFormat::Png)).await.unwrap();
        assert_eq!(image.thumbnail, image.original, "{size:?}");
    }
}

#[tokio::test]
async fn transparent_pixels_do_not_bleed_into_visible_ones() {
    for size in [1000, 2000] {
        // Stripes of gray and of transparent red.
        let image = RgbaImage::from_fn(size, size, |x, _| {
            if x % 2 == 0 { Rgba([100, 100, 100, 255]) } else { Rgba([250, 0, 0, 0]) }
        });
        let image = DynamicImage::from(image);
        let image = encode(&media(), &file(&image, ImageFormat::Png)).await.unwrap();
        let thumbnail = image::load_from_memory(&image.thumbnail).unwrap().into_rgba8();
        for pixel in thumbnail.pixels() {
            let [colors @ .., alpha] = pixel.0;
            assert!(alpha > 64 && colors.iter().all(|&channel| channel.abs_diff(100) < 4), "{pixel:?}");
        }
    }
}
