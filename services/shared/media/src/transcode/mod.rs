//! Decoding an uploaded file and encoding its pixels again.

mod color;
mod thumbnail;

use std::{fmt, io::Cursor, sync::Arc};

use bytes::Bytes;
use image::{
    DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, ImageResult, Limits,
    codecs::{
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType, PngEncoder},
    },
    metadata::Orientation,
};
use tracing::debug;

pub(crate) use self::thumbnail::SIDE as THUMBNAIL_SIDE;
use crate::{error::Rejected, memory::MemoryReservation, probe::ImageInfo};

/// From 1 to 100; at 85 the loss is not visible.
const JPEG_QUALITY: u8 = 85;
/// Larger PNGs are compressed fast: the default would take many seconds and save a tenth of the bytes.
const MAX_DEFAULT_COMPRESSION_PIXELS: u32 = 4 << 20;
/// A small file can contain an image that our encoders compress far worse. It must not fill the storage.
const MAX_ENCODED_BYTES: usize = 32 << 20;
/// Allocation limit of a decoder for data other than pixels.
const METADATA_BYTES: u64 = 4 << 20;

/// A re-encoded image with its thumbnail. Its memory stays reserved until it is dropped.
#[derive(Clone)]
pub struct EncodedImage {
    /// Encoding of both files.
    pub format: Format,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// The image in its original size, encoded. At most 32 MiB; a PNG may be larger than the uploaded file.
    pub original: Bytes,
    /// The thumbnail, encoded, at most 400 pixels wide and high; the same as `original` when that is small enough.
    pub thumbnail: Bytes,
    _memory: Arc<MemoryReservation>,
}

impl fmt::Debug for EncodedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedImage")
            .field("format", &self.format)
            .field("width", &self.width)
            .field("height", &self.height)
            .field("bytes", &self.original.len())
            .finish_non_exhaustive()
    }
}

/// The encodings of stored images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For opaque images that were uploaded as JPEG or WebP.
    Jpeg,
    /// For all others.
    Png,
}

impl Format {
    /// Returns the file extension: `jpg` or `png`.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }

    pub(crate) fn from_extension(extension: &str) -> Option<Self> {
        [Self::Jpeg, Self::Png].into_iter().find(|format| format.extension() == extension)
    }

    /// Returns the media type: `image/jpeg` or `image/png`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

/// Decodes `bytes` and encodes the pixels again. Blocks for up to several seconds.
///
/// # Errors
/// [`Rejected::Invalid`] when the bytes cannot be decoded, do not match `info`, or are too large after re-encoding.
pub(crate) fn transcode(
    bytes: &[u8],
    info: ImageInfo,
    mut memory: MemoryReservation,
) -> Result<EncodedImage, Rejected> {
    let corrupt = |error| {
        debug!("image cannot be decoded, rejecting it: {error}");
        Rejected::Invalid("is corrupt and cannot be decoded".to_owned())
    };
    let image = decode(bytes, info).map_err(corrupt)?;
    let (width, height) = (image.width(), image.height());
    let format = match info.format {
        ImageFormat::Jpeg | ImageFormat::WebP if !image.color().has_alpha() => Format::Jpeg,
        _ => Format::Png,
    };
    let original = encode(&image, format).map_err(corrupt)?;
    if original.len() > MAX_ENCODED_BYTES {
        return Err(Rejected::Invalid(format!(
            "must be at most {} MiB after re-encoding",
            MAX_ENCODED_BYTES >> 20
        )));
    }
    let thumbnail = match thumbnail::thumbnail(image) {
        Some(image) => encode(&image, format).map_err(corrupt)?,
        None => original.clone(),
    };
    memory.shrink_to(original.len() + thumbnail.len());
    Ok(EncodedImage { format, width, height, original, thumbnail, _memory: Arc::new(memory) })
}

/// Returns the pixels upright and in sRGB with 8 bits per channel, with an alpha channel only when a pixel is
/// transparent.
fn decode(bytes: &[u8], info: ImageInfo) -> ImageResult<DynamicImage> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(info.width);
    limits.max_image_height = Some(info.height);
    limits.max_alloc = Some(info.pixels() * 4 + bytes.len() as u64 * 2 + METADATA_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), info.format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    // Invalid metadata is ignored.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().unwrap_or_default();

    let mut image = to_8_bits(DynamicImage::from_decoder(decoder)?);
    if let Some(profile) = profile {
        color::to_srgb(&mut image, &profile);
    }
    image.apply_orientation(orientation);
    Ok(without_opaque_alpha(image))
}

fn to_8_bits(image: DynamicImage) -> DynamicImage {
    match image {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_) => image,
        DynamicImage::ImageLuma16(_) => image.into_luma8().into(),
        DynamicImage::ImageLumaA16(_) => image.into_luma_alpha8().into(),
        DynamicImage::ImageRgb16(_) => image.into_rgb8().into(),
        _ => image.into_rgba8().into(),
    }
}

fn without_opaque_alpha(image: DynamicImage) -> DynamicImage {
    match &image {
        DynamicImage::ImageLumaA8(pixels) if pixels.pixels().all(|pixel| pixel.0[1] == u8::MAX) => {
            image.into_luma8().into()
        }
        DynamicImage::ImageRgba8(pixels) if pixels.pixels().all(|pixel| pixel.0[3] == u8::MAX) => {
            image.into_rgb8().into()
        }
        _ => image,
    }
}

fn encode(image: &DynamicImage, format: Format) -> ImageResult<Bytes> {
    let mut bytes = Vec::new();
    match format {
        Format::Jpeg => image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?,
        Format::Png => {
            let compression = match image.width().saturating_mul(image.height()) {
                ..=MAX_DEFAULT_COMPRESSION_PIXELS => CompressionType::Default,
                _ => CompressionType::Fast,
            };
            let encoder = PngEncoder::new_with_quality(&mut bytes, compression, FilterType::Adaptive);
            image.write_with_encoder(encoder)?;
        }
    }
    bytes.shrink_to_fit();
    Ok(bytes.into())
}
