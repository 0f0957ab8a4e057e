//! Files that are made to do harm.

use std::path::Path;

use bodega_media::{Media, Rejected};
use image::ImageFormat;
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    metadata::{assert_is_clean, with_segment},
    pictures::{QUARTERS, args, assert_shows, file, files, media, noise, quarters, take_in},
};

const HTML: &[u8] = b"<!doctype html><script>alert(1)</script>";
const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\0\0evil.txtPK\x05\x06";

#[tokio::test]
async fn what_hides_behind_or_in_a_picture_is_gone() {
    let [jpeg, png, webp, gif] = files(&quarters(48, 32));
    let mut polyglots = Vec::new();
    for bytes in [&jpeg, &png, &webp, &gif] {
        polyglots.push([bytes.as_slice(), HTML].concat());
        polyglots.push([bytes.as_slice(), ZIP].concat());
    }
    polyglots.push(with_segment(&jpeg, 0xFE, HTML));
    polyglots.push(with_chunk(&png, b"tEXt", &[b"Comment\0", HTML].concat()));
    polyglots.push(with_chunk(&png, b"eviL", ZIP));
    // In front of its first picture, a comment.
    let picture = gif.iter().position(|&byte| byte == b'!').unwrap();
    let comment = [&[b'!', 0xFE, HTML.len() as u8], HTML, &[0]].concat();
    polyglots.push([&gif[..picture], &comment, &gif[picture..]].concat());

    for bytes in polyglots {
        let picture = take_in(&media(), &bytes).await.unwrap();
        assert_shows(&picture, QUARTERS);
        assert_is_clean(&picture);
        for bytes in [&picture.original, &picture.thumbnail] {
            assert!(!bytes.windows(4).any(|window| window == b"PK\x03\x04"));
        }
    }
}

#[tokio::test]
async fn a_gif_that_is_a_script_is_refused() {
    let script = b"GIF89a/*\x01\x01\x80\0\0\0\0\0\xFF\xFF\xFF*/=1;alert(1)//".to_vec();
    assert!(matches!(take_in(&media(), &script).await, Err(Rejected::Invalid(_))));
}

#[tokio::test]
async fn what_is_no_picture_by_its_content_is_unsupported() {
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
        assert_eq!(take_in(&media(), bytes).await.unwrap_err(), Rejected::Unsupported, "{bytes:?}");
    }
}

#[tokio::test]
async fn too_many_pixels_are_refused_whatever_the_file_weighs() {
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
        assert_eq!(take_in(&media, &bytes).await.unwrap_err(), Rejected::Invalid(expected));
    }
    for bytes in [png(0), gif(0), jpeg(0)] {
        let expected = Rejected::Invalid("must have pixels".to_owned());
        assert_eq!(take_in(&media, &bytes).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn a_frame_that_is_larger_than_its_screen_is_refused() {
    // 1 x 1, in which a picture of 60000 x 60000 begins.
    let frame = b",\0\0\0\0\x60\xEA\x60\xEA\0\x02\x02\x44\x01\0;";
    let gif = [b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xFF\xFF\xFF".as_slice(), frame].concat();
    assert!(matches!(take_in(&media(), &gif).await, Err(Rejected::Invalid(_))));
}

#[tokio::test]
async fn bytes_past_the_bound_are_refused() {
    let media = bounded("100", "8192");
    let bytes = file(&quarters(480, 320), ImageFormat::Jpeg);
    assert_eq!(take_in(&media, &bytes).await.unwrap_err(), Rejected::TooLarge { max_bytes: 100 });
}

#[tokio::test]
async fn a_picture_that_would_fill_the_storage_is_refused() {
    let media = bounded("67108864", "8192");
    let refused = take_in(&media, &file(&noise(3500, 3500), ImageFormat::Png)).await.unwrap_err();
    assert_eq!(refused, Rejected::Invalid("takes up more than 32 MiB once it is decoded".to_owned()));
}

#[tokio::test]
async fn pixels_past_the_bound_are_refused_on_either_side() {
    let media = bounded("10000", "100");
    for (width, height) in [(101, 1), (1, 101)] {
        for bytes in files(&quarters(width, height)) {
            assert!(matches!(take_in(&media, &bytes).await, Err(Rejected::Invalid(_))), "{width} x {height}");
        }
    }
    for bytes in files(&quarters(100, 100)) {
        take_in(&media, &bytes).await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_behind_a_signature_do_harm(
        signature in select(vec![
            b"\xFF\xD8\xFF".as_slice(), b"\x89PNG\r\n\x1A\n", b"GIF87a", b"GIF89a",
            b"RIFF\xE8\x03\0\0WEBPVP8 ", b"RIFF\xE8\x03\0\0WEBPVP8L", b"RIFF\xE8\x03\0\0WEBPVP8X",
        ]),
        bytes in vec(any::<u8>(), 0..2000),
    ) {
        assert_is_settled(&[signature, &bytes].concat());
    }

    #[test]
    fn no_picture_that_was_tampered_with_does_harm(
        which in 0..4_usize,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut bytes = files(&quarters(48, 32))[which].clone();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        assert_is_settled(&bytes);
    }
}

/// That the bytes are a picture, or are refused for what they are.
fn assert_is_settled(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    match runtime.block_on(take_in(&bounded("10000", "500"), bytes)) {
        Ok(picture) => assert_is_clean(&picture),
        Err(refused) => assert!(matches!(refused, Rejected::Invalid(_) | Rejected::Unsupported), "{refused}"),
    }
}

fn bounded(max_bytes: &str, max_side: &str) -> Media {
    let no_cloud = ["--cloud-name", "", "--cloud-api-key", "", "--cloud-api-secret", ""];
    let bounds = ["--image-max-bytes", max_bytes, "--image-max-side", max_side, "--s3-bucket", ""];
    args(&[&bounds[..], &no_cloud].concat()).unwrap().open(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

fn with_chunk(png: &[u8], name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    // Behind the signature and the header.
    [&png[..33], &chunk(name, data), &png[33..]].concat()
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [name, data].concat();
    let checksum = named.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
    });
    [&(data.len() as u32).to_be_bytes(), named.as_slice(), &(!checksum).to_be_bytes()].concat()
}
