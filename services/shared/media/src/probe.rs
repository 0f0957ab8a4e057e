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
}

impl ImageInfo {
    /// Reads the structure of a file. Bytes after the end of the image are ignored.
    ///
    /// # Errors
    /// When the file is not an image, is truncated, or is wider or higher than `max_side`.
    pub(crate) fn probe(bytes: &[u8], max_side: u32) -> Result<Self, Rejected> {
        let file = Reader(bytes);
        let format = image::guess_format(bytes).map_err(|_| Rejected::Unsupported)?;
        let (name, size) = match format {
            ImageFormat::Jpeg => ("JPEG", jpeg(file)),
            ImageFormat::Png => ("PNG", png(file)),
            ImageFormat::WebP => ("WebP", webp(file)),
            ImageFormat::Gif => ("GIF", gif(file)),
            _ => return Err(Rejected::Unsupported),
        };
        let Some((width, height)) = size else {
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
        Ok(Self { format, width, height })
    }

    pub(crate) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// A PNG is a signature and chunks of length, name, data and checksum.
fn png(mut file: Reader<'_>) -> Option<(u32, u32)> {
    file.take(8)?;
    let mut size = None;
    loop {
        let length = file.u32_be()?;
        let name = file.take(4)?;
        let mut data = Reader(file.take(length as usize)?);
        file.take(4)?;
        match name {
            b"IHDR" if size.is_none() => size = Some((data.u32_be()?, data.u32_be()?)),
            b"IEND" => return size,
            _ => {}
        }
    }
}

/// A JPEG is a sequence of markers with segments. After the start of a scan follows entropy-coded data, in which no marker
/// can occur.
fn jpeg(mut file: Reader<'_>) -> Option<(u32, u32)> {
    const END: u8 = 0xD9;
    let mut size = None;
    loop {
        match file.jpeg_marker()? {
            END => return size,
            // Start of image and restarts: markers without a segment.
            0x01 | 0xD0..=0xD8 => {}
            marker => {
                let length = usize::from(file.u16_be()?);
                let mut segment = Reader(file.take(length.checked_sub(2)?)?);
                let is_frame = matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC);
                if is_frame && size.is_none() {
                    segment.take(1)?;
                    let height = u32::from(segment.u16_be()?);
                    size = Some((u32::from(segment.u16_be()?), height));
                }
            }
        }
    }
}

/// A WebP is a RIFF container with its length; the first chunk contains the dimensions.
fn webp(mut file: Reader<'_>) -> Option<(u32, u32)> {
    const SIDE_MASK: u32 = 0x3FFF;
    file.take(4)?;
    let length = file.u32_le()?;
    let mut body = Reader(file.take(length as usize)?);
    body.take(4)?;
    let name = body.take(4)?;
    let length = body.u32_le()?;
    let mut data = Reader(body.take(length as usize)?);
    match name {
        b"VP8 " => {
            data.take(6)?;
            let width = u32::from(data.u16_le()?) & SIDE_MASK;
            Some((width, u32::from(data.u16_le()?) & SIDE_MASK))
        }
        b"VP8L" => {
            data.take(1)?;
            let sides = data.u32_le()?;
            Some(((sides & SIDE_MASK) + 1, (sides >> 14 & SIDE_MASK) + 1))
        }
        b"VP8X" => {
            data.take(4)?;
            Some((data.u24_le()? + 1, data.u24_le()? + 1))
        }
        _ => None,
    }
}

/// A GIF is a screen descriptor followed by extensions and frames, whose data are blocks of up to 255 bytes that end with
/// an empty block.
fn gif(mut file: Reader<'_>) -> Option<(u32, u32)> {
    file.take(6)?;
    let size = (u32::from(file.u16_le()?), u32::from(file.u16_le()?));
    let flags = file.u8()?;
    file.take(2)?;
    file.skip_gif_colors(flags)?;
    loop {
        match file.u8()? {
            b';' => return Some(size),
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
