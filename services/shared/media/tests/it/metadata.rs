//! Metadata: the orientation is applied, and all of it is removed.

use bodega_media::EncodedImage;
use image::{
    ExtendedColorType, ImageEncoder, ImageFormat,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
};

use crate::images::{
    BLUE as B, Color, GREEN as G, RED as R, WHITE as W, assert_shows, encode, file, media, quarters,
};

/// A text in all metadata below.
const SECRET: &str = "52.5163N 13.3777E";

#[tokio::test]
async fn applies_the_exif_orientation() {
    for (orientation, expected) in ORIENTATIONS {
        let jpeg = with_exif(&file(&quarters(48, 32), ImageFormat::Jpeg), &exif(orientation));
        let image = encode(&media(), &jpeg).await.unwrap();
        let size = if orientation < 5 { (48, 32) } else { (32, 48) };
        assert_eq!((image.width, image.height), size, "{orientation}");
        assert_shows(&image, expected);
    }
}

/// The expected colors of the quarters for each orientation.
const ORIENTATIONS: [(u8, [Color; 4]); 9] = [
    (1, [R, G, B, W]),
    (2, [G, R, W, B]),
    (3, [W, B, G, R]),
    (4, [B, W, R, G]),
    (5, [R, B, G, W]),
    (6, [B, R, W, G]),
    (7, [W, G, B, R]),
    (8, [G, W, R, B]),
    // An invalid orientation is ignored.
    (0, [R, G, B, W]),
];

#[tokio::test]
async fn applies_the_orientation_of_png_and_webp() {
    let mut png = Vec::new();
    write(PngEncoder::new(&mut png));
    let mut webp = Vec::new();
    write(WebPEncoder::new_lossless(&mut webp));
    for bytes in [png, webp] {
        let image = encode(&media(), &bytes).await.unwrap();
        assert_shows(&image, [B, R, W, G]);
        assert_is_clean(&image);
    }
}

fn write(mut encoder: impl ImageEncoder) {
    encoder.set_exif_metadata(exif(6)).unwrap();
    encoder.write_image(quarters(48, 32).as_bytes(), 48, 32, ExtendedColorType::Rgb8).unwrap();
}

#[tokio::test]
async fn removes_all_metadata_of_a_jpeg() {
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new(&mut jpeg);
    encoder.set_icc_profile([b"a profile from ", SECRET.as_bytes()].concat()).unwrap();
    encoder.write_image(quarters(500, 300).as_bytes(), 500, 300, ExtendedColorType::Rgb8).unwrap();

    let xmp = [b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>", SECRET.as_bytes()].concat();
    let jpeg = with_segment(&with_exif(&jpeg, &exif(1)), 0xE1, &xmp);
    let jpeg = with_segment(&jpeg, 0xFE, SECRET.as_bytes());
    let jpeg = [&jpeg, b"<script>".as_slice(), SECRET.as_bytes()].concat();

    assert_is_clean(&encode(&media(), &jpeg).await.unwrap());
}

/// Asserts that the files contain the image only, and nothing after its end.
pub(crate) fn assert_is_clean(image: &EncodedImage) {
    for bytes in [&image.original, &image.thumbnail] {
        match image::guess_format(bytes).unwrap() {
            ImageFormat::Png => assert_is_clean_png(bytes),
            ImageFormat::Jpeg => assert_is_clean_jpeg(bytes),
            format => panic!("{format:?}"),
        }
        for secret in [SECRET, "<script>", "Exif"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
    }
}

fn assert_is_clean_png(bytes: &[u8]) {
    let mut rest = &bytes[8..];
    let mut names = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        names.push(&after[..4]);
        rest = &after[u32::from_be_bytes(*length) as usize + 8..];
    }
    names.dedup();
    assert_eq!(names, [b"IHDR", b"IDAT", b"IEND"]);
}

fn assert_is_clean_jpeg(bytes: &[u8]) {
    let mut rest = &bytes[2..];
    loop {
        let [0xFF, marker, high, low, ..] = *rest else { panic!("no marker: {:?}", &rest[..4]) };
        match marker {
            0xE0 => assert_eq!(&rest[4..9], b"JFIF\0"),
            // Tables and frame.
            0xDB | 0xC0 | 0xC4 | 0xDA => {}
            other => panic!("segment {other:X}"),
        }
        rest = &rest[2 + usize::from(u16::from_be_bytes([high, low]))..];
        if marker == 0xDA {
            break;
        }
    }
    let end = rest.windows(2).position(|two| two[0] == 0xFF && two[1] != 0).unwrap();
    assert_eq!(rest[end..], [0xFF, 0xD9]);
}

/// Returns a TIFF with an orientation, a description and a GPS position.
fn exif(orientation: u8) -> Vec<u8> {
    let mut tiff = b"MM\0\x2A\0\0\0\x08".to_vec();
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value].concat()
    };
    tiff.extend([0, 3]);
    tiff.extend(entry(0x010E, 2, SECRET.len() as u32, 50_u32.to_be_bytes()));
    tiff.extend(entry(0x0112, 3, 1, [0, orientation, 0, 0]));
    tiff.extend(entry(0x8825, 4, 1, (50 + SECRET.len() as u32).to_be_bytes()));
    tiff.extend([0; 4]);
    tiff.extend(SECRET.as_bytes());
    tiff.extend([0, 1]);
    tiff.extend(entry(1, 2, 2, *b"N\0\0\0"));
    tiff.extend([0; 4]);
    tiff
}

fn with_exif(jpeg: &[u8], exif: &[u8]) -> Vec<u8> {
    with_segment(jpeg, 0xE1, &[b"Exif\0\0", exif].concat())
}

/// Inserts a segment at the start of a JPEG.
pub(crate) fn with_segment(jpeg: &[u8], marker: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xFF, marker], &length, data, &jpeg[2..]].concat()
}
