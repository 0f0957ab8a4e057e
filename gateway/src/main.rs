//! The gateway as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bodega_runtime::process::main("bodega-gateway", 8080, bodega_gateway::serve)
}
