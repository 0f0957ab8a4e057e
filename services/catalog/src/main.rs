//! The catalog service as its own process.

use std::process::ExitCode;

fn main() -> ExitCode {
    bodega_runtime::process::main("bodega-catalog", 7002, bodega_catalog::serve)
}
