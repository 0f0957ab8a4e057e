//! Conversion of color profiles to sRGB.
//!
//! Phones write colors for a wider color space than sRGB. The profile is removed from the encoded image, so the pixels
//! are converted to the values that show the same colors without a profile.

use image::DynamicImage;
use moxcms::{CmsError, ColorProfile, DataColorSpace, Layout, TransformOptions};
use tracing::debug;

/// Converts the pixels from the color space of `profile` to sRGB. An invalid profile is ignored.
pub(super) fn to_srgb(image: &mut DynamicImage, profile: &[u8]) {
    let converted = match image {
        DynamicImage::ImageRgb8(pixels) => convert(profile, Layout::Rgb, 3 * pixels.width() as usize, pixels),
        DynamicImage::ImageRgba8(pixels) => {
            convert(profile, Layout::Rgba, 4 * pixels.width() as usize, pixels)
        }
        // Grayscale has no color to convert.
        _ => Ok(()),
    };
    if let Err(error) = converted {
        debug!("color profile is invalid, ignoring it: {error:?}");
    }
}

fn convert(profile: &[u8], layout: Layout, row: usize, samples: &mut [u8]) -> Result<(), CmsError> {
    let profile = ColorProfile::new_from_slice(profile)?;
    // CMYK: the decoder has converted the pixels to RGB already.
    if profile.color_space != DataColorSpace::Rgb {
        return Ok(());
    }
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    let transform = profile.create_transform_8bit(layout, &srgb, layout, options)?;
    let mut before = vec![0; row];
    for row in samples.chunks_exact_mut(row) {
        before.copy_from_slice(row);
        transform.transform(&before, row)?;
    }
    Ok(())
}
