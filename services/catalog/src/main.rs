//! The catalog service as its own process.

use std::process::ExitCode;

fn main() -> ExitCode {
    bodega_catalog::main(std::env::args_os())
}
