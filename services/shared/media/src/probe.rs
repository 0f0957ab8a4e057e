//! Format, dimensions and completeness of an image, read from the structure of the file.
//!
//! Nothing is decoded or allocated here, so that decompression bombs are rejected before they cost memory. Crates that read
//! dimensions (`imagesize`, `image` itself) stop at the header, and some decoders accept truncated files without an error:
//! only the walk to the end of the file detects those.

use image::ImageFormat;

use crate::error::Rejected;

/// The properties of an image that are known before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageInfo {
    /// JPEG, PNG, WebP or GIF.
    pub(crate) format: ImageFormat,
    /// In pixels.
    pub(crate) width: u32,
    /// In pixels.
    pub(crate) height: u32,
    /// Bytes per pixel that decoding, rotating and converting it take at most.
    bytes_per_pixel: u64,
}

/// What the structure of a file says.
struct Structure {
    width: u32,
    height: u32,
    bytes_per_pixel: u64,
}

/// The most that any image needs: 16 bits per channel together with the copy of 8 bits, a progressive CMYK JPEG with its
/// coefficients, or an animation frame with its canvas.
pub(crate) const MAX_BYTES_PER_PIXEL: u64 = 12;

impl ImageInfo {
    /// Reads the structure of a file. Bytes after the end of the image are ignored.
    ///
    /// # Errors
    /// When the file is not an image, is truncated, or is wider or higher than `max_side`.
    pub(crate) fn probe(bytes: &[u8], max_side: u32) -> Result<Self, Rejected> {
        let file = Reader(bytes);
        let format = image::guess_format(bytes).map_err(|_| Rejected::Unsupported)?;
        let (name, structure) = match format {
            ImageFormat::Jpeg => ("JPEG", jpeg(file)),
            ImageFormat::Png => ("PNG", png(file)),
            ImageFormat::WebP => ("WebP", webp(file)),
            ImageFormat::Gif => ("GIF", gif(file)),
            _ => return Err(Rejected::Unsupported),
        };
        let Some(Structure { width, height, bytes_per_pixel }) = structure else {
            return Err(Rejected::Invalid(format!("is a truncated or corrupt {name}")));
        };
        if width == 0 || height == 0 {
            return Err(Rejected::Invalid("must be at least 1 pixel wide and high".to_owned()));
        }
        if width > max_side || height > max_side {
            return Err(Rejected::Invalid(format!(
                "must be at most {max_side} pixels wide and high, is {width} x {height}"
            )));
        }
        Ok(Self { format, width, height, bytes_per_pixel })
    }

    pub(crate) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Bytes that the pixels need while they are decoded, rotated and converted.
    pub(crate) fn decoded_bytes(self) -> u64 {
        self.pixels() * self.bytes_per_pixel
    }
}

/// A PNG is a signature and chunks of length, name, data and checksum. Its pixels are copied once, to 8 bits or to rotate them.
fn png(mut file: Reader<'_>) -> Option<Structure> {
    file.take(8)?;
    let mut structure = None;
    loop {
        let length = file.u32_be()?;
        let name = file.take(4)?;
        let mut data = Reader(file.take(length as usize)?);
        file.take(4)?;
        match name {
            b"IHDR" if structure.is_none() => {
                let (width, height, depth, color) = (data.u32_be()?, data.u32_be()?, data.u8()?, data.u8()?);
                // Grayscale, also with alpha. The others have alpha, or a later chunk may add it.
                let channels = if matches!(color, 0 | 4) { 2 } else { 4 };
                let copied = if depth == 16 { 3 } else { 2 };
                structure = Some(Structure { width, height, bytes_per_pixel: channels * copied });
            }
            b"IEND" => return structure,
            _ => {}
        }
    }
}

/// A JPEG is a sequence of markers with segments. After the start of a scan follows entropy-coded data, in which no marker
/// can occur. A baseline JPEG is decoded row by row; others have two bytes for each coefficient.
fn jpeg(mut file: Reader<'_>) -> Option<Structure> {
    const END: u8 = 0xD9;
    const BASELINE: u8 = 0xC0;
    let mut structure = None;
    loop {
        match file.jpeg_marker()? {
            END => return structure,
            // Start of image and restarts: markers without a segment.
            0x01 | 0xD0..=0xD8 => {}
            marker => {
                let length = usize::from(file.u16_be()?);
                let mut segment = Reader(file.take(length.checked_sub(2)?)?);
                let is_frame = matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC);
                if is_frame && structure.is_none() {
                    segment.take(1)?;
                    let (height, width) = (u32::from(segment.u16_be()?), u32::from(segment.u16_be()?));
                    let bytes_per_pixel = match (marker, segment.u8()?) {
                        (BASELINE, 1) => 2,
                        (BASELINE, _) => 6,
                        _ => MAX_BYTES_PER_PIXEL,
                    };
                    structure = Some(Structure { width, height, bytes_per_pixel });
                }
            }
        }
    }
}

/// A WebP is a RIFF container with its length; the first chunk contains the dimensions.
fn webp(mut file: Reader<'_>) -> Option<Structure> {
    const SIDE_MASK: u32 = 0x3FFF;
    file.take(4)?;
    let length = file.u32_le()?;
    let mut body = Reader(file.take(length as usize)?);
    body.take(4)?;
    let name = body.take(4)?;
    let length = body.u32_le()?;
    let mut data = Reader(body.take(length as usize)?);
    let (width, height, bytes_per_pixel) = match name {
        b"VP8 " => {
            data.take(6)?;
            let width = u32::from(data.u16_le()?) & SIDE_MASK;
            (width, u32::from(data.u16_le()?) & SIDE_MASK, 6)
        }
        b"VP8L" => {
            data.take(1)?;
            let sides = data.u32_le()?;
            ((sides & SIDE_MASK) + 1, (sides >> 14 & SIDE_MASK) + 1, 8)
        }
        b"VP8X" => {
            data.take(4)?;
            (data.u24_le()? + 1, data.u24_le()? + 1, MAX_BYTES_PER_PIXEL)
        }
        _ => return None,
    };
    Some(Structure { width, height, bytes_per_pixel })
}

/// A GIF is a screen descriptor followed by extensions and frames, whose data are blocks of up to 255 bytes that end with
/// an empty block.
fn gif(mut file: Reader<'_>) -> Option<Structure> {
    file.take(6)?;
    let (width, height) = (u32::from(file.u16_le()?), u32::from(file.u16_le()?));
    let flags = file.u8()?;
    file.take(2)?;
    file.skip_gif_colors(flags)?;
    loop {
        match file.u8()? {
            // A canvas, and a frame or a copy without transparency.
            b';' => return Some(Structure { width, height, bytes_per_pixel: 8 }),
            b'!' => {
                file.take(1)?;
            }
            b',' => {
                file.take(8)?;
                let flags = file.u8()?;
                file.skip_gif_colors(flags)?;
                file.take(1)?;
            }
            _ => return None,
        }
        while let length @ 1.. = file.u8()? {
            file.take(usize::from(length))?;
        }
    }
}

/// The unread rest of a file.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16_le(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u16_be(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u24_le(&mut self) -> Option<u32> {
        self.array().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    fn u32_le(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u32_be(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Returns the next marker: a byte after one or more 0xFF, except 0, which escapes a 0xFF in coded data.
    fn jpeg_marker(&mut self) -> Option<u8> {
        loop {
            let start = self.0.iter().position(|&byte| byte == 0xFF)?;
            self.take(start + 1)?;
            while let [0xFF, rest @ ..] = self.0 {
                self.0 = rest;
            }
            match self.u8()? {
                0 => {}
                marker => return Some(marker),
            }
        }
    }

    /// Skips the color table, if `flags` say that there is one.
    fn skip_gif_colors(&mut self, flags: u8) -> Option<()> {
        if flags & 0x80 != 0 {
            self.take(3 << ((flags & 7) + 1))?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::DynamicImage;

    use super::*;

    #[test]
    fn reserves_what_the_format_needs() {
        let bytes_per_pixel = |image: DynamicImage, format| {
            let mut file = Vec::new();
            image.write_to(Cursor::new(&mut file), format).unwrap();
            ImageInfo::probe(&file, 8192).unwrap().decoded_bytes() / 64
        };
        let gray = DynamicImage::new_luma8(8, 8);
        let color = DynamicImage::new_rgb8(8, 8);
        let deep = DynamicImage::new_rgba16(8, 8);
        let deep_gray = DynamicImage::new_luma16(8, 8);
        assert_eq!(bytes_per_pixel(gray.clone(), ImageFormat::Jpeg), 2);
        assert_eq!(bytes_per_pixel(color.clone(), ImageFormat::Jpeg), 6);
        assert_eq!(bytes_per_pixel(gray, ImageFormat::Png), 4);
        assert_eq!(bytes_per_pixel(deep_gray, ImageFormat::Png), 6);
        assert_eq!(bytes_per_pixel(color.clone(), ImageFormat::Png), 8);
        assert_eq!(bytes_per_pixel(deep, ImageFormat::Png), 12);
        assert_eq!(bytes_per_pixel(color.clone(), ImageFormat::WebP), 8);
        assert_eq!(bytes_per_pixel(color, ImageFormat::Gif), 8);
        let progressive = include_bytes!("../tests/it/fixtures/progressive.jpg");
        let info = ImageInfo::probe(progressive, 8192).unwrap();
        assert_eq!(info.decoded_bytes() / info.pixels(), MAX_BYTES_PER_PIXEL);
    }
}
