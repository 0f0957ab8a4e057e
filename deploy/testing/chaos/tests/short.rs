//! The short version of what RESULTS.md tells of: a few seeds, of all faults.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

/// Runs the binary; what it breaks are the store's own ones beside it, as `cargo test --workspace` builds them.
fn chaos(arguments: &str) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_bodega-chaos")).args(arguments.split(' ')).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    print!("{told}");
}

#[test]
fn nothing_is_lost_whatever_breaks() {
    chaos("shop --seed 1 --seeds 2 --seconds 25 --shoppers 8 --checkouts 50");
}

#[test]
fn nothing_is_lost_when_the_one_process_breaks() {
    chaos("shop --seed 1 --seconds 15 --shoppers 6 --checkouts 30 --standalone");
}
