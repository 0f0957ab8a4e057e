//! Accepted formats, and the encoding of the result.

use bodega_media::Format;
use image::{
    Delay, DynamicImage, ExtendedColorType, Frame, ImageEncoder as _, ImageFormat, RgbaImage,
    codecs::{gif::GifEncoder, jpeg::JpegEncoder},
};
use moxcms::ColorProfile;

use crate::images::{QUARTERS, RED, assert_shows, colors, encode, file, media, quarters};

#[tokio::test]
async fn encodes_opaque_jpeg_and_webp_as_jpeg_and_all_others_as_png() {
    let rgb = quarters(48, 32);
    let opaque = DynamicImage::from(rgb.to_rgba8());
    for (case, bytes, format) in [
        ("a JPEG", file(&rgb, ImageFormat::Jpeg), Format::Jpeg),
        ("a progressive JPEG", include_bytes!("fixtures/progressive.jpg").to_vec(), Format::Jpeg),
        ("a CMYK JPEG", include_bytes!("fixtures/cmyk.jpg").to_vec(), Format::Jpeg),
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
        let image = encode(&media(), &bytes).await.unwrap_or_else(|rejected| panic!("{case}: {rejected}"));
        assert_eq!((image.format, image.width, image.height), (format, 48, 32), "{case}");
        let expected = match format {
            Format::Jpeg => ImageFormat::Jpeg,
            Format::Png => ImageFormat::Png,
        };
        for bytes in [&image.original, &image.thumbnail] {
            assert_eq!(image::guess_format(bytes).unwrap(), expected, "{case}");
        }
        if case == "a CMYK JPEG" {
            // The conversion from CMYK loses some brightness.
            let [_, _, _, white] = colors(&image.original);
            assert!(white.iter().all(|&channel| channel > 240), "{case}");
        } else {
            assert_shows(&image, QUARTERS);
        }
    }
}

#[tokio::test]
async fn keeps_grayscale() {
    for (format, bits) in [(ImageFormat::Jpeg, 8), (ImageFormat::Png, 8), (ImageFormat::Png, 16)] {
        let gray = quarters(48, 32);
        let gray: DynamicImage = if bits == 8 { gray.to_luma8().into() } else { gray.to_luma16().into() };
        let image = encode(&media(), &file(&gray, format)).await.unwrap();
        let shown = image::load_from_memory(&image.original).unwrap();
        assert_eq!(shown.color(), image::ColorType::L8, "{format:?}, {bits} bits");
    }
}

#[tokio::test]
async fn keeps_transparency_as_png() {
    let mut image = quarters(48, 32).to_rgba8();
    for pixel in image.pixels_mut().filter(|pixel| pixel.0[1] == 128) {
        pixel.0[3] = 100;
    }
    let bytes = |format| file(&image.clone().into(), format);
    for (case, bytes, alpha) in [
        ("PNG", bytes(ImageFormat::Png), 100),
        ("WebP", bytes(ImageFormat::WebP), 100),
        (
            "PNG in grays",
            file(&DynamicImage::from(image.clone()).to_luma_alpha8().into(), ImageFormat::Png),
            100,
        ),
        ("WebP without loss", include_bytes!("fixtures/lossless-alpha.webp").to_vec(), 255),
        ("WebP with loss", include_bytes!("fixtures/lossy-alpha.webp").to_vec(), 255),
    ] {
        let image = encode(&media(), &bytes).await.unwrap();
        assert_eq!(image.format, Format::Png, "{case}");
        let shown = image::load_from_memory(&image.original).unwrap().into_rgba8();
        assert_eq!(shown.get_pixel(36, 8).0[3], alpha, "{case}");
        assert_eq!(shown.get_pixel(12, 8).0[3], 255, "{case}");
        // The fixtures have no white quarter.
        assert_eq!(shown.get_pixel(36, 24).0[3], if alpha == 255 { 0 } else { 255 }, "{case}");
    }
}

#[tokio::test]
async fn encodes_the_first_frame_of_an_animation() {
    let mut gif = Vec::new();
    let mut encoder = GifEncoder::new(&mut gif);
    for image in [quarters(48, 32).to_rgba8(), RgbaImage::new(48, 32)] {
        encoder.encode_frame(Frame::from_parts(image, 0, 0, Delay::from_numer_denom_ms(100, 1))).unwrap();
    }
    drop(encoder);
    let webp = include_bytes!("fixtures/animated.webp").to_vec();
    let png = include_bytes!("fixtures/animated.png").to_vec();
    for bytes in [gif, webp, png] {
        let image = encode(&media(), &bytes).await.unwrap();
        assert_shows(&image, QUARTERS);
    }
}

#[tokio::test]
async fn converts_colors_of_a_wider_color_space_to_srgb() {
    // The red of sRGB in Display P3.
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
    assert_shows(&encode(&media(), &file(Some(profile.clone()))).await.unwrap(), [RED; 4]);
    assert_shows(&encode(&media(), &file(None)).await.unwrap(), [[234, 51, 35]; 4]);

    let invalid = profile.into_iter().rev().collect();
    assert_shows(&encode(&media(), &file(Some(invalid))).await.unwrap(), [[234, 51, 35]; 4]);
}
