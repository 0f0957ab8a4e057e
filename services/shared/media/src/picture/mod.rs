//! A picture, made anew from the pixels of a file.

mod colour;
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
use crate::{error::Rejected, outline::Outline, worker::Reserved};

/// Of JPEGs, from 1 to 100: where a loss cannot be seen yet.
const QUALITY: u8 = 85;
/// PNGs of so many pixels are packed tightly: more would take many seconds, for a tenth of their bytes.
const TIGHTLY_PACKED: u32 = 4 << 20;
/// What a picture may take up, encoded. A small file can hold a picture that no other encoder packs as well: it must not
/// fill the storage.
const MAX_ENCODED: usize = 32 << 20;
/// What a decoder may set aside for what is not pixels.
const METADATA: u64 = 4 << 20;

/// A picture that is nothing but a picture. Keeps the memory that it takes reserved until it is dropped.
#[derive(Clone)]
pub struct EncodedImage {
    /// What it was encoded as.
    pub format: Format,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Encoded, as large as it came. A PNG may have more bytes than what was uploaded, at most 32 MiB.
    pub original: Bytes,
    /// Encoded, at most 400 pixels wide and high; the original where that is small enough.
    pub thumbnail: Bytes,
    _memory: Arc<Reserved>,
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

/// What pictures are encoded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Photographs: whatever came without transparency as JPEG or WebP.
    Jpeg,
    /// Everything else.
    Png,
}

impl Format {
    /// Of the name of a file: `jpg` or `png`.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }

    /// The format of files with this extension.
    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        [Self::Jpeg, Self::Png].into_iter().find(|format| format.extension() == extension)
    }

    /// As HTTP names it: `image/jpeg` or `image/png`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

/// Decodes `bytes` and encodes what they show. Takes long: not for a task that serves.
///
/// # Errors
/// [`Rejected::Invalid`] when they cannot be decoded, or to something else than their outline says, or take up too much.
pub(crate) fn make(bytes: &[u8], outline: Outline, mut memory: Reserved) -> Result<EncodedImage, Rejected> {
    let corrupt = |cause| {
        debug!("A picture cannot be decoded: {cause}");
        Rejected::Invalid("is corrupt: it cannot be decoded".to_owned())
    };
    let image = pixels(bytes, outline).map_err(corrupt)?;
    let (width, height) = (image.width(), image.height());
    let format = match outline.format {
        ImageFormat::Jpeg | ImageFormat::WebP if !image.color().has_alpha() => Format::Jpeg,
        _ => Format::Png,
    };
    let original = encode(&image, format).map_err(corrupt)?;
    if original.len() > MAX_ENCODED {
        return Err(Rejected::Invalid(format!(
            "takes up more than {} MiB once it is decoded",
            MAX_ENCODED >> 20
        )));
    }
    let thumbnail = match thumbnail::of(image) {
        Some(image) => encode(&image, format).map_err(corrupt)?,
        None => original.clone(),
    };
    memory.shrink_to(original.len() + thumbnail.len());
    Ok(EncodedImage { format, width, height, original, thumbnail, _memory: Arc::new(memory) })
}

/// The pixels of the file, upright and in sRGB: grey or colours with 8 bits a channel, with alpha only where something
/// is transparent.
fn pixels(bytes: &[u8], outline: Outline) -> ImageResult<DynamicImage> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(outline.width);
    limits.max_image_height = Some(outline.height);
    limits.max_alloc = Some(outline.pixels() * 4 + bytes.len() as u64 * 2 + METADATA);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), outline.format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    // What is said beside the pixels may be nonsense: then it is passed over.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().unwrap_or_default();

    let mut image = eight_bits(DynamicImage::from_decoder(decoder)?);
    if let Some(profile) = profile {
        colour::to_srgb(&mut image, &profile);
    }
    image.apply_orientation(orientation);
    Ok(without_needless_alpha(image))
}

fn eight_bits(image: DynamicImage) -> DynamicImage {
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

fn without_needless_alpha(image: DynamicImage) -> DynamicImage {
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
        Format::Jpeg => image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY))?,
        Format::Png => {
            let compression = match image.width().saturating_mul(image.height()) {
                ..=TIGHTLY_PACKED => CompressionType::Default,
                _ => CompressionType::Fast,
            };
            let encoder = PngEncoder::new_with_quality(&mut bytes, compression, FilterType::Adaptive);
            image.write_with_encoder(encoder)?;
        }
    }
    bytes.shrink_to_fit();
    Ok(bytes.into())
}
