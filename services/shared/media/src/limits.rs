//! Limits of uploaded images.

/// 10 MiB.
const MAX_BYTES: usize = 10 << 20;
const MAX_SIDE: u32 = 8192;

/// Limits of uploaded images.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ImageLimits {
    /// Maximum size of an uploaded image in bytes
    #[arg(long, env = "BODEGA_IMAGE_MAX_BYTES", default_value_t = MAX_BYTES, value_parser = max_bytes)]
    pub(crate) image_max_bytes: usize,
    /// Maximum width and height of an uploaded image in pixels; decoding takes up to 12 bytes of memory per pixel
    #[arg(long, env = "BODEGA_IMAGE_MAX_SIDE", default_value_t = MAX_SIDE, value_parser = max_side)]
    pub(crate) image_max_side: u32,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self { image_max_bytes: MAX_BYTES, image_max_side: MAX_SIDE }
    }
}

fn max_bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        _ if text.is_empty() => Ok(MAX_BYTES),
        Ok(bytes @ 1..=104_857_600) => Ok(bytes),
        _ => Err("must be a number of bytes between 1 and 104857600 (100 MiB)".to_owned()),
    }
}

fn max_side(text: &str) -> Result<u32, String> {
    match text.parse() {
        _ if text.is_empty() => Ok(MAX_SIDE),
        Ok(pixels @ 1..=16_384) => Ok(pixels),
        _ => Err("must be a number of pixels between 1 and 16384".to_owned()),
    }
}
