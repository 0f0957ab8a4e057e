//! The order service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bodega_order::main(std::env::args_os())
}
