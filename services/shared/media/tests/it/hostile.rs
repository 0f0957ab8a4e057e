//! Malicious and oversized files.

use std::path::Path;

use bodega_media::{Media, Rejected};
use image::ImageFormat;
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    images::{QUARTERS, args, assert_shows, encode, file, files, media, noise, quarters},
    metadata::{assert_is_clean, with_segment},
};

const HTML: &[u8] = b"<!doctype html><script>alert(1)</script>";
const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\0\0evil.txtPK\x05\x06";

#[tokio::test]
async fn removes_data_hidden_in_or_after_an_image() {
    let [jpeg, png, webp, gif] = files(&quarters(48, 32));
    let mut polyglots = Vec::new();
    for bytes in [&jpeg, &png, &webp, &gif] {
        polyglots.push([bytes.as_slice(), HTML].concat());
        polyglots.push([bytes.as_slice(), ZIP].concat());
    }
    polyglots.push(with_segment(&jpeg, 0xFE, HTML));
    polyglots.push(with_chunk(&png, b"tEXt", &[b"Comment\0", HTML].concat()));
    polyglots.push(with_chunk(&png, b"eviL", ZIP));
    // A comment before the first frame.
    let frame = gif.iter().position(|&byte| byte == b'!').unwrap();
    let comment = [&[b'!', 0xFE, HTML.len() as u8], HTML, &[0]].concat();
    polyglots.push([&gif[..frame], &comment, &gif[frame..]].concat());

    for bytes in polyglots {
        let image = encode(&media(), &bytes).await.unwrap();
        assert_shows(&image, QUARTERS);
        assert_is_clean(&image);
        for bytes in [&image.original, &image.thumbnail] {
            assert!(!bytes.windows(4).any(|window| window == b"PK\x03\x04"));
        }
    }
}

#[tokio::test]
async fn rejects_a_gif_that_is_a_script() {
    let script = b"GIF89a/*\x01\x01\x80\0\0\0\0\0\xFF\xFF\xFF*/=1;alert(1)//".to_vec();
    assert!(matches!(encode(&media(), &script).await, Err(Rejected::Invalid(_))));
}

#[tokio::test]
async fn rejects_content_of_other_formats() {
    for bytes in [
        b"".as_slice(),
        b"\xFF\xD8",
        b"\x89PNG",
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"a text",
        b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>",
        b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>",
        b"%PDF-1.7\n",
        HTML,
        ZIP,
        b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0",
        b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\x68\x04\0\0\x16\0\0\0",
        b"II*\0\x08\0\0\0",
        b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B",
        b"P6 1 1 255\n\0\0\0",
        b"#?RADIANCE\n",
        b"MZ\x90\0",
    ] {
        assert_eq!(encode(&media(), bytes).await.unwrap_err(), Rejected::Unsupported, "{bytes:?}");
    }
}

#[tokio::test]
async fn rejects_too_many_pixels_without_decoding() {
    let media = media();
    let jpeg = |side: u16| {
        let [high, low] = side.to_be_bytes();
        [b"\xFF\xD8\xFF\xC0\0\x0B\x08", [high, low, high, low].as_slice(), b"\x01\x01\x11\0\xFF\xD9"].concat()
    };
    let png = |side: u32| {
        let header = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
        [b"\x89PNG\r\n\x1A\n", chunk(b"IHDR", &header).as_slice(), &chunk(b"IDAT", b""), &chunk(b"IEND", b"")]
            .concat()
    };
    let gif = |side: u16| {
        let side = side.to_le_bytes();
        [b"GIF89a", side.as_slice(), &side, b"\0\0\0;"].concat()
    };
    let webp = |side: u32| {
        let [a, b, c, _] = (side - 1).to_le_bytes();
        [b"RIFF\x16\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0", [a, b, c, a, b, c].as_slice()].concat()
    };
    for (bytes, side) in [
        (jpeg(60_000), 60_000),
        (jpeg(8193), 8193),
        (png(60_000), 60_000),
        (png(u32::MAX), u32::MAX),
        (gif(60_000), 60_000),
        (webp(60_000), 60_000),
        (webp(1 << 24), 1 << 24),
    ] {
        let expected = format!("must be at most 8192 pixels wide and high, is {side} x {side}");
        assert_eq!(encode(&media, &bytes).await.unwrap_err(), Rejected::Invalid(expected));
    }
    for bytes in [png(0), gif(0), jpeg(0)] {
        let expected = Rejected::Invalid("must be at least 1 pixel wide and high".to_owned());
        assert_eq!(encode(&media, &bytes).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn rejects_a_gif_frame_larger_than_its_screen() {
    // A screen of 1 x 1 with a frame of 60000 x 60000.
    let frame = b",\0\0\0\0\x60\xEA\x60\xEA\0\x02\x02\x44\x01\0;";
    let gif = [b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xFF\xFF\xFF".as_slice(), frame].concat();
    assert!(matches!(encode(&media(), &gif).await, Err(Rejected::Invalid(_))));
}

#[tokio::test]
async fn rejects_a_file_larger_than_the_limit() {
    let media = media_with_limits("100", "8192");
    let bytes = file(&quarters(480, 320), ImageFormat::Jpeg);
    assert_eq!(encode(&media, &bytes).await.unwrap_err(), Rejected::TooLarge { max_bytes: 100 });
}

#[tokio::test]
async fn rejects_an_image_that_is_too_large_after_encoding() {
    let media = media_with_limits("67108864", "8192");
    let rejected = encode(&media, &file(&noise(3500, 3500), ImageFormat::Png)).await.unwrap_err();
    assert_eq!(rejected, Rejected::Invalid("must be at most 32 MiB after re-encoding".to_owned()));
}

#[tokio::test]
async fn limits_both_width_and_height() {
    let media = media_with_limits("10000", "100");
    for (width, height) in [(101, 1), (1, 101)] {
        for bytes in files(&quarters(width, height)) {
            assert!(matches!(encode(&media, &bytes).await, Err(Rejected::Invalid(_))), "{width} x {height}");
        }
    }
    for bytes in files(&quarters(100, 100)) {
        encode(&media, &bytes).await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn accepts_or_rejects_arbitrary_bytes_after_a_signature(
        signature in select(vec![
            b"\xFF\xD8\xFF".as_slice(), b"\x89PNG\r\n\x1A\n", b"GIF87a", b"GIF89a",
            b"RIFF\xE8\x03\0\0WEBPVP8 ", b"RIFF\xE8\x03\0\0WEBPVP8L", b"RIFF\xE8\x03\0\0WEBPVP8X",
        ]),
        bytes in vec(any::<u8>(), 0..2000),
    ) {
        assert_encoded_or_rejected(&[signature, &bytes].concat());
    }

    #[test]
    fn accepts_or_rejects_images_with_changed_bytes(
        which in 0..4_usize,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut bytes = files(&quarters(48, 32))[which].clone();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        assert_encoded_or_rejected(&bytes);
    }
}

/// Asserts that the bytes are re-encoded or rejected as an invalid image.
fn assert_encoded_or_rejected(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    match runtime.block_on(encode(&media_with_limits("10000", "500"), bytes)) {
        Ok(image) => assert_is_clean(&image),
        Err(rejected) => {
            assert!(matches!(rejected, Rejected::Invalid(_) | Rejected::Unsupported), "{rejected}")
        }
    }
}

fn media_with_limits(max_bytes: &str, max_side: &str) -> Media {
    let no_cloud = ["--cloud-name", "", "--cloud-api-key", "", "--cloud-api-secret", ""];
    let limits = ["--image-max-bytes", max_bytes, "--image-max-side", max_side, "--s3-bucket", ""];
    args(&[&limits[..], &no_cloud].concat()).unwrap().open(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

fn with_chunk(png: &[u8], name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    // After the signature and the header.
    [&png[..33], &chunk(name, data), &png[33..]].concat()
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [name, data].concat();
    let checksum = named.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
    });
    [&(data.len() as u32).to_be_bytes(), named.as_slice(), &(!checksum).to_be_bytes()].concat()
}
