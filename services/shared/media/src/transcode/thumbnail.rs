//! Thumbnails.

use image::{DynamicImage, ImageBuffer, Pixel, imageops::FilterType};

/// Maximum width and height in pixels.
pub(crate) const SIDE: u32 = 400;

/// Scales `image` down to a thumbnail; returns `None` when it is small enough already.
pub(super) fn thumbnail(mut image: DynamicImage) -> Option<DynamicImage> {
    let (width, height) = (image.width(), image.height());
    let longest = width.max(height);
    if longest <= SIDE {
        return None;
    }
    let scaled = |side: u32, to: u32| {
        let side = (u64::from(side) * u64::from(to)).div_ceil(u64::from(longest));
        u32::try_from(side).unwrap_or(to)
    };
    // The color of transparent pixels must not bleed into visible ones.
    match &mut image {
        DynamicImage::ImageRgba8(pixels) => premultiply(pixels),
        DynamicImage::ImageLumaA8(pixels) => premultiply(pixels),
        _ => {}
    }
    // A coarse step first: filtering each pixel of a large image takes seconds and looks no better.
    if longest > 4 * SIDE {
        image = image.thumbnail_exact(scaled(width, 2 * SIDE), scaled(height, 2 * SIDE));
    }
    image = image.resize_exact(scaled(width, SIDE), scaled(height, SIDE), FilterType::CatmullRom);
    match &mut image {
        DynamicImage::ImageRgba8(pixels) => unpremultiply(pixels),
        DynamicImage::ImageLumaA8(pixels) => unpremultiply(pixels),
        _ => {}
    }
    Some(image)
}

fn premultiply<P: Pixel<Subpixel = u8>>(pixels: &mut ImageBuffer<P, Vec<u8>>) {
    for pixel in pixels.pixels_mut() {
        let Some((alpha, colors)) = pixel.channels_mut().split_last_mut() else { continue };
        for color in colors {
            *color = ((u16::from(*color) * u16::from(*alpha) + 127) / 255) as u8;
        }
    }
}

fn unpremultiply<P: Pixel<Subpixel = u8>>(pixels: &mut ImageBuffer<P, Vec<u8>>) {
    for pixel in pixels.pixels_mut() {
        let Some((alpha @ 1.., colors)) = pixel.channels_mut().split_last_mut() else { continue };
        for color in colors {
            let value = (u16::from(*color) * 255 + u16::from(*alpha) / 2) / u16::from(*alpha);
            *color = u8::try_from(value).unwrap_or(u8::MAX);
        }
    }
}
