//! The cart service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bodega_cart::main(std::env::args_os())
}
