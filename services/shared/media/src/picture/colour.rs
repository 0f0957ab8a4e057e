//! Colours as every screen understands them.
//!
//! Numbers mean a colour only with the profile they were written for; telephones write theirs for a wider space than
//! sRGB. The profile is not kept, so the numbers are changed to what shows the same colours without one.

use image::DynamicImage;
use moxcms::{CmsError, ColorProfile, DataColorSpace, Layout, TransformOptions};
use tracing::debug;

/// Changes colours from what `profile` says to sRGB; a profile that makes no sense changes nothing.
pub(super) fn to_srgb(image: &mut DynamicImage, profile: &[u8]) {
    let changed = match image {
        DynamicImage::ImageRgb8(pixels) => change(profile, Layout::Rgb, 3 * pixels.width() as usize, pixels),
        DynamicImage::ImageRgba8(pixels) => {
            change(profile, Layout::Rgba, 4 * pixels.width() as usize, pixels)
        }
        // Grey stays grey.
        _ => Ok(()),
    };
    if let Err(cause) = changed {
        debug!("A colour profile is passed over: {cause:?}");
    }
}

fn change(profile: &[u8], layout: Layout, row: usize, samples: &mut [u8]) -> Result<(), CmsError> {
    let profile = ColorProfile::new_from_slice(profile)?;
    // One for inks: decoding has made colours of them already.
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
