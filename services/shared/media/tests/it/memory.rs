//! Memory usage of decoding.

use std::fs;

use image::{DynamicImage, ImageFormat, RgbaImage};
use tokio::task::JoinSet;

use crate::images::{encode, file, media};

/// Measures the whole process, so no other test may run in it:
/// `cargo test -p bodega-media -- --ignored --exact memory::concurrent_decompression_bombs_use_the_memory_of_one`.
#[tokio::test]
#[ignore = "slow, and measures the process it runs in"]
async fn concurrent_decompression_bombs_use_the_memory_of_one() {
    // 256 MiB of pixels in little more than 1 MiB.
    let bomb = file(&DynamicImage::from(RgbaImage::new(8192, 8192)), ImageFormat::Png);
    let media = media();
    encode(&media, &bomb).await.unwrap();
    let one = peak();

    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (media, bomb) = (media.clone(), bomb.clone());
        tasks.spawn(async move { encode(&media, &bomb).await.is_ok() });
    }
    let accepted = tasks.join_all().await.into_iter().filter(|accepted| *accepted).count();
    let many = peak();
    println!("{} bytes; peak after one {one} MiB, after {accepted} of 16 at once {many} MiB", bomb.len());
    assert!(accepted > 0);
    assert!(many < one + 128, "one takes {one} MiB, many {many} MiB");
    assert!(many < 1024, "{many} MiB");
}

/// Returns the peak memory usage of this process in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
