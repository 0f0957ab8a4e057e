//! The order service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bodega_runtime::process::main("bodega-order", 7004, bodega_order::serve)
}
