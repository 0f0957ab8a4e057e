//! `bodega serve`: runs one service, or the gateway, as its own process.

use std::{ffi::OsString, iter::once, process::ExitCode};

use bodega_runtime::config;
use clap::{Parser, ValueEnum};

/// Run one service, or the gateway, as its own process
///
/// Options follow the name: `bodega serve cart --help` lists those of cart.
#[derive(Parser)]
#[command(name = "bodega serve", version)]
struct Cli {
    /// Process to run
    #[arg(value_enum)]
    process: Process,
}

#[derive(Clone, Copy, ValueEnum)]
enum Process {
    /// Users, sessions and signing keys
    Identity,
    /// Products, images and stock
    Catalog,
    /// Carts of users and guests
    Cart,
    /// Orders and payments
    Order,
    /// REST API
    Gateway,
}

/// Runs the process that the first argument names, with the other arguments. Is the same as the program of that name.
pub(crate) fn main(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let name = arguments.next();
    let process = match config::parse_from(once("bodega serve".into()).chain(name)) {
        Ok(Cli { process }) => process,
        Err(code) => return code,
    };
    let name = process.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    let arguments = once(format!("bodega serve {name}").into()).chain(arguments);
    match process {
        Process::Identity => bodega_identity::main(arguments),
        Process::Catalog => bodega_catalog::main(arguments),
        Process::Cart => bodega_cart::main(arguments),
        Process::Order => bodega_order::main(arguments),
        Process::Gateway => bodega_gateway::main(arguments),
    }
}
