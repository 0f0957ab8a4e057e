//! What goes in, and as what it comes out.

use bodega_media::Format;
use image::{
    Delay, DynamicImage, ExtendedColorType, Frame, ImageEncoder as _, ImageFormat, RgbaImage,
    codecs::{gif::GifEncoder, jpeg::JpegEncoder},
};
use moxcms::ColorProfile;

use crate::pictures::{QUARTERS, RED, assert_shows, colours, file, media, quarters, take_in};

#[tokio::test]
async fn photographs_come_out_as_jpeg_and_everything_else_as_png() {
    let rgb = quarters(48, 32);
    let opaque = DynamicImage::from(rgb.to_rgba8());
    for (what, bytes, format) in [
        ("a JPEG", file(&rgb, ImageFormat::Jpeg), Format::Jpeg),
        ("a progressive JPEG", include_bytes!("fixtures/progressive.jpg").to_vec(), Format::Jpeg),
        ("a JPEG for print", include_bytes!("fixtures/cmyk.jpg").to_vec(), Format::Jpeg),
        ("a WebP without loss", file(&rgb, ImageFormat::WebP), Format::Jpeg),
        ("a WebP with loss", include_bytes!("fixtures/lossy.webp").to_vec(), Format::Jpeg),
        ("an opaque WebP with alpha", file(&opaque, ImageFormat::WebP), Format::Jpeg),
        ("a PNG", file(&rgb, ImageFormat::Png), Format::Png),
        ("a PNG with alpha", file(&opaque, ImageFormat::Png), Format::Png),
        ("a PNG with 16 bits", file(&rgb.to_rgb16().into(), ImageFormat::Png), Format::Png),
        ("a PNG with 16 bits and alpha", file(&rgb.to_rgba16().into(), ImageFormat::Png), Format::Png),
        ("a PNG with a palette", include_bytes!("fixtures/palette.png").to_vec(), Format::Png),
        ("a GIF", file(&rgb, ImageFormat::Gif), Format::Png),
        ("an interlaced GIF", include_bytes!("fixtures/interlaced.gif").to_vec(), Format::Png),
    ] {
        let picture = take_in(&media(), &bytes).await.unwrap_or_else(|refused| panic!("{what}: {refused}"));
        assert_eq!((picture.format, picture.width, picture.height), (format, 48, 32), "{what}");
        let expected = match format {
            Format::Jpeg => ImageFormat::Jpeg,
            Format::Png => ImageFormat::Png,
        };
        for bytes in [&picture.original, &picture.thumbnail] {
            assert_eq!(image::guess_format(bytes).unwrap(), expected, "{what}");
        }
        if what == "a JPEG for print" {
            // Inks are no colours: some of the brightness is lost.
            let [_, _, _, white] = colours(&picture.original);
            assert!(white.iter().all(|&channel| channel > 240), "{what}");
        } else {
            assert_shows(&picture, QUARTERS);
        }
    }
}

#[tokio::test]
async fn grey_stays_grey() {
    for (format, bits) in [(ImageFormat::Jpeg, 8), (ImageFormat::Png, 8), (ImageFormat::Png, 16)] {
        let grey = quarters(48, 32);
        let grey: DynamicImage = if bits == 8 { grey.to_luma8().into() } else { grey.to_luma16().into() };
        let picture = take_in(&media(), &file(&grey, format)).await.unwrap();
        let shown = image::load_from_memory(&picture.original).unwrap();
        assert_eq!(shown.color(), image::ColorType::L8, "{format:?}, {bits} bits");
    }
}

#[tokio::test]
async fn what_is_transparent_stays_so_as_png() {
    let mut image = quarters(48, 32).to_rgba8();
    for pixel in image.pixels_mut().filter(|pixel| pixel.0[1] == 128) {
        pixel.0[3] = 100;
    }
    let bytes = |format| file(&image.clone().into(), format);
    for (what, bytes, alpha) in [
        ("PNG", bytes(ImageFormat::Png), 100),
        ("WebP", bytes(ImageFormat::WebP), 100),
        (
            "PNG in greys",
            file(&DynamicImage::from(image.clone()).to_luma_alpha8().into(), ImageFormat::Png),
            100,
        ),
        ("WebP without loss", include_bytes!("fixtures/lossless-alpha.webp").to_vec(), 255),
        ("WebP with loss", include_bytes!("fixtures/lossy-alpha.webp").to_vec(), 255),
    ] {
        let picture = take_in(&media(), &bytes).await.unwrap();
        assert_eq!(picture.format, Format::Png, "{what}");
        let shown = image::load_from_memory(&picture.original).unwrap().into_rgba8();
        assert_eq!(shown.get_pixel(36, 8).0[3], alpha, "{what}");
        assert_eq!(shown.get_pixel(12, 8).0[3], 255, "{what}");
        // The two from another program have no white quarter.
        assert_eq!(shown.get_pixel(36, 24).0[3], if alpha == 255 { 0 } else { 255 }, "{what}");
    }
}

#[tokio::test]
async fn an_animation_becomes_its_first_picture() {
    let mut gif = Vec::new();
    let mut encoder = GifEncoder::new(&mut gif);
    for image in [quarters(48, 32).to_rgba8(), RgbaImage::new(48, 32)] {
        encoder.encode_frame(Frame::from_parts(image, 0, 0, Delay::from_numer_denom_ms(100, 1))).unwrap();
    }
    drop(encoder);
    let webp = include_bytes!("fixtures/animated.webp").to_vec();
    let png = include_bytes!("fixtures/animated.png").to_vec();
    for bytes in [gif, webp, png] {
        let picture = take_in(&media(), &bytes).await.unwrap();
        assert_shows(&picture, QUARTERS);
    }
}

#[tokio::test]
async fn colours_written_for_a_wider_space_look_the_same_without_their_profile() {
    // The red of sRGB, as Display P3 writes it.
    let pixels = [234, 51, 35].repeat(32 * 32);
    let profile = ColorProfile::new_display_p3().encode().unwrap();
    let file = |profile: Option<Vec<u8>>| {
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
        if let Some(profile) = profile {
            encoder.set_icc_profile(profile).unwrap();
        }
        encoder.write_image(&pixels, 32, 32, ExtendedColorType::Rgb8).unwrap();
        bytes
    };
    assert_shows(&take_in(&media(), &file(Some(profile.clone()))).await.unwrap(), [RED; 4]);
    assert_shows(&take_in(&media(), &file(None)).await.unwrap(), [[234, 51, 35]; 4]);

    let nonsense = profile.into_iter().rev().collect();
    assert_shows(&take_in(&media(), &file(Some(nonsense))).await.unwrap(), [[234, 51, 35]; 4]);
}
