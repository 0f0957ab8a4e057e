//! A short version of the runs in RESULTS.md: a few seeds with all faults.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

/// Runs the binary with the store's programs beside it, which `cargo test --workspace` has built.
fn chaos(arguments: &str) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_bodega-chaos")).args(arguments.split(' ')).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    print!("{stdout}");
}

#[test]
fn separate_processes_lose_nothing_under_any_fault() {
    chaos("shop --seed 1 --seeds 2 --seconds 25 --shoppers 8 --checkouts 50");
}

#[test]
fn a_standalone_store_loses_nothing_under_any_fault() {
    chaos("shop --seed 1 --seconds 15 --shoppers 6 --checkouts 30 --standalone");
}
