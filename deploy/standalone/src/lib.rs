//! The whole store in one process, and its commands.
//!
//! [`cli`] parses the command line; `up` runs the store. [`store`] starts the services and the gateway on a [`database`],
//! embedded or given, that [`provision`] has prepared. [`seed`] adds products, [`admin`] creates admins, and [`verify`]
//! checks the data. `serve` runs a part of the store as its own process, for which `keys` generates secrets and `health` is the health
//! check.

pub mod admin;
pub mod cli;
pub mod database;
pub mod database_urls;
mod health;
mod keys;
mod migrate;
mod output;
pub mod provision;
mod secrets;
pub mod seed;
mod serve;
pub mod store;
mod store_args;
mod up;
pub mod verify;
