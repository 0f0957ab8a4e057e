//! The binary `bodega`: the whole store in one process.

use std::process::ExitCode;

fn main() -> ExitCode {
    bodega::cli::main()
}
