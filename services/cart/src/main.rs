//! The cart service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bodega_runtime::process::main("bodega-cart", 7003, bodega_cart::serve)
}
