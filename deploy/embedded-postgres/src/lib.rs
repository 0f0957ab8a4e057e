//! Starts and supervises a Postgres server on the local machine, for `bodega` and for tests.
//!
//! `cluster` is the entry point: it finds the programs (`binaries`, `download`), locks the data directory (`data_dir`),
//! cleans up after a killed process (`recovery`), creates the database cluster (`initdb`), runs the server (`server`) and
//! restarts it when it exits (`supervisor`). Processes are spawned by `process` and end with their parent.
//!
//! `PG_BIN_DIR` selects an installation by its `bin` directory. Otherwise the `PATH`, the usual directories of packages
//! and a download cache are searched for version 14 or newer; without one, Postgres is downloaded.
//!
//! Unix only. The server listens on a Unix socket in a private directory, and on no TCP port.

#![warn(missing_docs)]

mod binaries;
mod cluster;
mod data_dir;
mod download;
mod initdb;
mod process;
mod recovery;
mod server;
mod supervisor;
pub mod testing;
mod url;
mod user;

pub use cluster::{Cluster, Options, SUPERUSER};
pub use data_dir::create_data_dir;
pub use process::spawn;
