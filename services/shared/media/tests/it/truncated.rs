//! Truncated and corrupt files.

use bodega_media::Rejected;

use crate::images::{encode, files, media, noise};

#[tokio::test]
async fn rejects_a_file_truncated_at_any_position() {
    let media = media();
    let fixtures = [
        include_bytes!("fixtures/animated.png").to_vec(),
        include_bytes!("fixtures/animated.webp").to_vec(),
        include_bytes!("fixtures/interlaced.gif").to_vec(),
        include_bytes!("fixtures/lossy-alpha.webp").to_vec(),
        include_bytes!("fixtures/progressive.jpg").to_vec(),
    ];
    for bytes in files(&noise(120, 80)).into_iter().chain(fixtures) {
        encode(&media, &bytes).await.unwrap();
        let step = if bytes.len() < 1000 { 1 } else { 50 };
        for end in (0..bytes.len()).step_by(step).chain([bytes.len() - 1]) {
            match encode(&media, &bytes[..end]).await {
                Err(Rejected::Invalid(_)) => {}
                // The signature is incomplete.
                Err(Rejected::Unsupported) if end < 12 => {}
                result => panic!("{:?}… truncated at {end}: {result:?}", &bytes[..4]),
            }
        }
    }
}

#[tokio::test]
async fn rejects_a_wrong_checksum() {
    let [_, mut png, ..] = files(&noise(120, 80));
    let middle = png.len() / 2;
    png[middle] ^= 1;
    assert!(matches!(encode(&media(), &png).await, Err(Rejected::Invalid(_))));
}
