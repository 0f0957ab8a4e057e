//! The gateway as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bodega_gateway::main(std::env::args_os())
}
