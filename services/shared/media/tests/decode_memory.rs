//! Memory that decoding takes by format. In a process of its own, because it measures the process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{fs, io::Cursor, path::Path};

use bodega_media::Media;
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};

const SIDE: u32 = 3072;
/// Buffers of encoders, of the thumbnail and of the allocator.
const OTHER_BYTES: u64 = 32 << 20;

/// The bytes per pixel are those of `probe.rs`, which an image reserves.
#[tokio::test]
async fn no_image_takes_more_memory_than_it_reserves() {
    // Not black: memory that is zero anyway is not touched.
    let image = DynamicImage::from(RgbaImage::from_pixel(SIDE, SIDE, Rgba([200, 100, 50, 128])));
    let images = [
        ("grayscale PNG", image.to_luma8().into(), ImageFormat::Png, 4),
        ("RGB PNG", image.to_rgb8().into(), ImageFormat::Png, 8),
        ("RGBA PNG", image.clone(), ImageFormat::Png, 8),
        ("grayscale PNG of 16 bits", image.to_luma16().into(), ImageFormat::Png, 6),
        ("RGBA PNG of 16 bits", image.to_rgba16().into(), ImageFormat::Png, 12),
        ("grayscale JPEG", image.to_luma8().into(), ImageFormat::Jpeg, 2),
        ("JPEG", image.to_rgb8().into(), ImageFormat::Jpeg, 6),
        ("WebP", image.clone(), ImageFormat::WebP, 8),
        ("GIF", image, ImageFormat::Gif, 8),
    ]
    .map(|(name, image, format, bytes_per_pixel): (_, DynamicImage, _, _)| {
        let mut file = Vec::new();
        image.write_to(Cursor::new(&mut file), format).unwrap();
        (name, file, bytes_per_pixel)
    });
    let media = Media::local(Path::new("unused"));
    for (name, file, bytes_per_pixel) in images {
        let mut upload = media.upload();
        upload.push(&file).unwrap();

        // Resets the peak.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = memory("VmRSS:");
        drop(media.encode(upload).await.unwrap());
        let used = memory("VmHWM:").saturating_sub(before);
        println!("{name}: {:.1} bytes per pixel", used as f64 / f64::from(SIDE * SIDE));
        let reserved = bytes_per_pixel * u64::from(SIDE) * u64::from(SIDE);
        assert!(used <= reserved + OTHER_BYTES, "{name}: {used} bytes, {reserved} are reserved");
    }
}

/// A line of the process's status, in bytes.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
