//! The identity service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bodega_runtime::process::main("bodega-identity", 7001, bodega_identity::serve)
}
