//! Files that end too early.

use bodega_media::Rejected;

use crate::pictures::{files, media, noise, take_in};

#[tokio::test]
async fn a_file_that_is_cut_off_anywhere_is_refused() {
    let media = media();
    let fixtures = [
        include_bytes!("fixtures/animated.png").to_vec(),
        include_bytes!("fixtures/animated.webp").to_vec(),
        include_bytes!("fixtures/interlaced.gif").to_vec(),
        include_bytes!("fixtures/lossy-alpha.webp").to_vec(),
        include_bytes!("fixtures/progressive.jpg").to_vec(),
    ];
    for bytes in files(&noise(120, 80)).into_iter().chain(fixtures) {
        take_in(&media, &bytes).await.unwrap();
        let step = if bytes.len() < 1000 { 1 } else { 50 };
        for end in (0..bytes.len()).step_by(step).chain([bytes.len() - 1]) {
            match take_in(&media, &bytes[..end]).await {
                Err(Rejected::Invalid(_)) => {}
                // Not even the signature is there.
                Err(Rejected::Unsupported) if end < 12 => {}
                answer => panic!("{:?}… cut off at {end}: {answer:?}", &bytes[..4]),
            }
        }
    }
}

#[tokio::test]
async fn a_file_whose_checksum_does_not_match_is_refused() {
    let [_, mut png, ..] = files(&noise(120, 80));
    let middle = png.len() / 2;
    png[middle] ^= 1;
    assert!(matches!(take_in(&media(), &png).await, Err(Rejected::Invalid(_))));
}
