//! The small one.

use image::{DynamicImage, ImageBuffer, Pixel, imageops::FilterType};

/// At most this wide and high, in pixels.
pub(crate) const SIDE: u32 = 400;

/// `image` made small; none where it is small already.
pub(super) fn of(mut image: DynamicImage) -> Option<DynamicImage> {
    let (width, height) = (image.width(), image.height());
    let longest = width.max(height);
    if longest <= SIDE {
        return None;
    }
    let scaled = |side: u32, to: u32| {
        let side = (u64::from(side) * u64::from(to)).div_ceil(u64::from(longest));
        u32::try_from(side).unwrap_or(to)
    };
    // What cannot be seen must not bleed into what can.
    match &mut image {
        DynamicImage::ImageRgba8(pixels) => premultiply(pixels),
        DynamicImage::ImageLumaA8(pixels) => premultiply(pixels),
        _ => {}
    }
    // Large ones coarsely first: filtering each of their pixels takes seconds, and shows no better.
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
        let Some((alpha, colours)) = pixel.channels_mut().split_last_mut() else { continue };
        for colour in colours {
            *colour = ((u16::from(*colour) * u16::from(*alpha) + 127) / 255) as u8;
        }
    }
}

fn unpremultiply<P: Pixel<Subpixel = u8>>(pixels: &mut ImageBuffer<P, Vec<u8>>) {
    for pixel in pixels.pixels_mut() {
        let Some((alpha @ 1.., colours)) = pixel.channels_mut().split_last_mut() else { continue };
        for colour in colours {
            let whole = (u16::from(*colour) * 255 + u16::from(*alpha) / 2) / u16::from(*alpha);
            *colour = u8::try_from(whole).unwrap_or(u8::MAX);
        }
    }
}
