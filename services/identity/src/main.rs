//! The identity service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bodega_identity::main(std::env::args_os())
}
